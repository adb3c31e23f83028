import type { TypeUrl } from '../envoy/resource.ts';
import { typeUrls } from '../envoy/resource.ts';
import type { ProxyView } from '../mesh/proxy-view.ts';
import { listenerProtocol, type Service } from '../mesh/service.ts';
import { usesEds } from './clusters/outbound-cluster.ts';
import { dnsAnswers } from './listeners/dns-listeners.ts';
import { routeNameOf } from './listeners/outbound-listener.ts';
import { outboundProtocol, placementName, placementsOf } from './listeners/placement.ts';
import { dnsListener, outboundClusterName } from './names.ts';

/** A resource that services take part in. Clusters and endpoints belong to one service, listeners and routes to many. */
export interface Target {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  /** Index of the egress listener it belongs to: the first that has the service, for clusters and endpoints. */
  readonly egress: number;
}

/** Whether it is the listener that answers DNS: the only target that services of all egress listeners share, and that is there without any. */
export function isDns({ typeUrl, name }: Pick<Target, 'typeUrl' | 'name'>): boolean {
  return typeUrl === typeUrls.listener && name === dnsListener;
}

/**
 * The resources of a proxy that one service of an egress listener takes part in. `buildTarget` reads, for a target,
 * only services that name it here: that is what makes patching a set of resources equal to computing it anew.
 */
export function targetsOf(view: ProxyView, egressIndex: number, service: Service): Target[] {
  // Another name lives in the resources of the host that it stands for.
  if (service.spec.aliasOf !== undefined) return [];
  const egress = view.egress[egressIndex]!;
  const targets = new Map<string, Target>();
  const add = (typeUrl: TypeUrl, name: string) => targets.set(`${typeUrl} ${name}`, { typeUrl, name, egress: egressIndex });
  if (dnsAnswers(service, view.traits).length) add(typeUrls.listener, dnsListener);
  for (const port of service.spec.ports) {
    if (listenerProtocol(port.protocol) === 'none') continue;
    const cluster = outboundClusterName(service.spec.hostname, port.number);
    add(typeUrls.cluster, cluster);
    // Where another listener's service of the host has the cluster, its endpoints count, and not those of this one.
    if (usesEds(service) || view.egress.length > 1) add(typeUrls.endpoint, cluster);
    const protocol = outboundProtocol(egress, port);
    for (const placement of placementsOf(egress, service, port, view.traits)) {
      add(typeUrls.listener, placementName(placement));
      if (protocol === 'http' || protocol === 'auto') add(typeUrls.route, routeNameOf(egress, service, port, placement));
    }
  }
  return [...targets.values()];
}
