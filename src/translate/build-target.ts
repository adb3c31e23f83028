import { type Resource, typeUrls } from '../envoy/resource.ts';
import type { MeshConfig } from '../mesh/mesh-config.ts';
import type { ProxyView } from '../mesh/proxy-view.ts';
import type { Service } from '../mesh/service.ts';
import { buildOutboundCluster, usesEds } from './clusters/outbound-cluster.ts';
import { buildEndpoints } from './endpoints.ts';
import { buildDnsListener } from './listeners/dns-listeners.ts';
import { buildOutboundListener } from './listeners/outbound-listener.ts';
import { outboundClusterName } from './names.ts';
import { buildRouteConfiguration } from './routes/route-configuration.ts';
import { isDns, type Target } from './targets.ts';

/** Computes one target from the services that take part in it; undefined where they call for nothing after all. */
export function buildTarget(view: ProxyView, target: Target, services: Iterable<Service>): Resource | undefined {
  if (isDns(target)) return buildDnsListener(view, services);
  const egress = view.egress[target.egress]!;
  switch (target.typeUrl) {
    case typeUrls.listener:
      return buildOutboundListener(view, egress, target.name, services);
    case typeUrls.route:
      return buildRouteConfiguration(view, egress, target.name, services);
    default:
      for (const service of services) {
        const port = service.spec.ports.find(({ number }) => outboundClusterName(service.spec.hostname, number) === target.name);
        if (!port) continue;
        if (target.typeUrl === typeUrls.endpoint && !usesEds(service)) return undefined;
        return shared(service, `${target.typeUrl} ${port.number} ${view.traits.ipFamilies}`, view.config, () =>
          target.typeUrl === typeUrls.cluster
            ? buildOutboundCluster(service, port, view.traits, view.config)
            : buildEndpoints(service, port, view.traits),
        );
      }
      return undefined;
  }
}

const byService = new WeakMap<Service, { config: MeshConfig; resources: Map<string, Resource> }>();

/** Clusters and endpoints read nothing of a proxy but its address families, so every class shares their bytes. */
function shared(service: Service, variant: string, config: MeshConfig, build: () => Resource): Resource {
  let known = byService.get(service);
  if (known?.config !== config) {
    known = { config, resources: new Map() };
    byService.set(service, known);
  }
  let resource = known.resources.get(variant);
  if (!resource) {
    resource = build();
    known.resources.set(variant, resource);
  }
  return resource;
}
