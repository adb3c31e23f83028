import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { RouteConfigurationSchema } from '../../envoy/gen/envoy/config/route/v3/route_pb.js';
import { type Resource, type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import type { EgressView, ProxyTraits, ProxyView } from '../../mesh/proxy-view.ts';
import { compareAge, type Service, type ServicePort } from '../../mesh/service.ts';
import { routeNameOf } from '../listeners/outbound-listener.ts';
import { bindsToPort, outboundProtocol, placementsOf } from '../listeners/placement.ts';
import { blackHoleCluster, hostAndPort, outboundClusterName, strangersCluster } from '../names.ts';
import { sealBytes } from '../seal.ts';
import { domainsOf } from './domains.ts';
import { buildCatchAll, buildVirtualHost, encodeVirtualHost } from './virtual-host.ts';

/** RouteConfiguration's `virtual_hosts`. */
const virtualHostsField = 2;
/** Envoy's default is 4 KiB, which an EnvoyFilter's direct response soon exceeds; Istio's value. */
const maxDirectResponseBodySizeBytes = 1_048_576;

/**
 * The routes called `name` of an egress listener: a virtual host for each service port, and one for all other hosts.
 * Virtual hosts are serialised once and shared; the configuration is put together from their bytes.
 */
export function buildRouteConfiguration(
  view: ProxyView,
  egress: EgressView,
  name: string,
  services: Iterable<Service>,
): Resource | undefined {
  const members = membersOf(view, egress, name, services);
  if (!members.length) return undefined;
  const isOneHosts = members[0]!.isOneHosts;
  // The proxy hands a whole port of names: then the port is part of the name a client sends.
  const keepsPorts =
    egress.spec.port !== undefined && (egress.spec.port.protocol === 'HTTP_PROXY' || egress.spec.port.number === 0);
  const requires: ResourceReference[] = [];
  const writer = new BinaryWriter();
  writer.raw(
    toBinary(
      RouteConfigurationSchema,
      create(RouteConfigurationSchema, {
        name,
        validateClusters: false,
        maxDirectResponseBodySizeBytes,
        ignorePortInHostMatching: !keepsPorts,
      }),
    ),
  );
  const taken = new Set<string>();
  const append = (bytes: Uint8Array) => writer.tag(virtualHostsField, WireType.LengthDelimited).bytes(bytes);
  for (const { service, port } of isOneHosts ? members.slice(0, 1) : members) {
    const domains = isOneHosts ? ['*'] : freeDomains(service, port, view.traits, keepsPorts, taken);
    if (!domains.length) continue;
    append(virtualHostBytes(service, port, domains));
    requires.push({ typeUrl: typeUrls.cluster, name: outboundClusterName(service.spec.hostname, port.number) });
  }
  if (!isOneHosts) {
    // A listener that the proxy binds itself has no original destination to pass strangers on to; an egress proxy needs none.
    const isPassable = view.egressProxy !== undefined || !bindsToPort(egress, view.traits);
    const cluster = isPassable ? strangersCluster(view) : blackHoleCluster;
    append(encodeVirtualHost(buildCatchAll(cluster)));
    if (!view.egressProxy) requires.push({ typeUrl: typeUrls.cluster, name: cluster });
  }
  return sealBytes(
    {
      typeUrl: typeUrls.route,
      name,
      provenance: members.flatMap(({ service }) => [service.spec.owner, ...service.aliases.map(({ owner }) => owner)]),
      requires,
    },
    writer.finish(),
  );
}

interface Member {
  readonly service: Service;
  readonly port: ServicePort;
  /** The routes are those of one host, behind a listener of its own. */
  readonly isOneHosts: boolean;
}

function membersOf(view: ProxyView, egress: EgressView, name: string, services: Iterable<Service>): Member[] {
  const members: Member[] = [];
  for (const service of services) {
    for (const port of service.spec.ports) {
      const protocol = outboundProtocol(egress, port);
      if (protocol !== 'http' && protocol !== 'auto') continue;
      const placement = placementsOf(egress, service, port, view.traits).find(
        (place) => routeNameOf(egress, service, port, place) === name,
      );
      if (placement) members.push({ service, port, isOneHosts: protocol === 'auto' && !placement.isWildcard });
    }
  }
  return members.sort(
    (a, b) => compareAge(a.service.spec, b.service.spec) || (a.service.spec.hostname < b.service.spec.hostname ? -1 : 1),
  );
}

/** Envoy refuses a domain that stands in two virtual hosts: the older service keeps it. */
function freeDomains(
  service: Service,
  port: ServicePort,
  traits: ProxyTraits,
  keepsPorts: boolean,
  taken: Set<string>,
): string[] {
  const plain = domainsOf(service, traits);
  // Port 80 is the one a client leaves out of the Host header.
  const candidates = keepsPorts
    ? [...(port.number === 80 ? plain : []), ...plain.map((domain) => withPort(domain, port.number))]
    : plain;
  const free = candidates.filter((domain) => !taken.has(domain));
  for (const domain of free) taken.add(domain);
  return free;
}

function withPort(domain: string, port: number): string {
  return domain.startsWith('[') ? `${domain}:${port}` : hostAndPort(domain, port);
}

const virtualHosts = new WeakMap<Service['spec'], Map<string, Uint8Array>>();

/** A service port's virtual host, serialised once for each set of domains it is seen under. */
function virtualHostBytes(service: Service, port: ServicePort, domains: readonly string[]): Uint8Array {
  let known = virtualHosts.get(service.spec);
  if (!known) {
    known = new Map();
    virtualHosts.set(service.spec, known);
  }
  const key = `${port.number} ${domains.join(' ')}`;
  let bytes = known.get(key);
  if (!bytes) {
    bytes = encodeVirtualHost(buildVirtualHost(service.spec.hostname, port, domains));
    known.set(key, bytes);
  }
  return bytes;
}
