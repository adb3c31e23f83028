import { create } from '@bufbuild/protobuf';
import { isUnixAddress } from '../../api/address.ts';
import { TrafficDirection } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { type Listener, ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { type Resource, type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import type { EgressView, ProxyTraits, ProxyView } from '../../mesh/proxy-view.ts';
import { compareAge, type Service, type ServicePort } from '../../mesh/service.ts';
import { address, duration } from '../messages.ts';
import { hostAndPort, outboundClusterName, strangersCluster } from '../names.ts';
import { namesOf } from '../routes/domains.ts';
import { seal } from '../seal.ts';
import { boundSocketOptions } from './bound-socket.ts';
import { assembleChains, type ChainDraft } from './filter-chains.ts';
import { buildOutboundHttp, buildTcpProxy, httpInspector, tlsInspector } from './filters.ts';
import { outboundProtocol, type Placement, placementNamed } from './placement.ts';

/** One service port that shares a listener. */
interface Contribution {
  readonly service: Service;
  readonly port: ServicePort;
  readonly placement: Placement;
  readonly protocol: 'http' | 'tls' | 'tcp' | 'auto';
}

/** The name of the routes that a listener asks for: by port, by host where the listener is one host's own, by path for a unix socket. */
export function routeNameOf(egress: EgressView, service: Service, port: ServicePort, placement: Placement): string {
  const bind = placement.binds[0];
  if (isUnixAddress(bind)) return bind;
  const protocol = outboundProtocol(egress, port);
  return protocol === 'auto' && !placement.isWildcard ? hostAndPort(service.spec.hostname, port.number) : String(placement.port);
}

/**
 * The listener called `name` of an egress listener, from every service that takes part in it.
 * Mixed protocols are told apart by sniffing; where two services would match the same connections the older one is served.
 */
export function buildOutboundListener(
  view: ProxyView,
  egress: EgressView,
  name: string,
  services: Iterable<Service>,
): Resource | undefined {
  const contributions = contributionsTo(view, egress, name, services);
  const first = contributions[0];
  if (!first) return undefined;
  const { placement } = first;
  const requires: ResourceReference[] = [];
  const drafts = [...httpChains(view, egress, name, contributions, requires), ...tcpChains(view, contributions, requires)];
  const chains = assembleChains(drafts);
  const [bind, ...extra] = placement.binds;
  const isSingle = chains.fallback && !chains.matching.length;
  const listener: Listener = create(ListenerSchema, {
    name,
    address: address(bind, placement.port),
    additionalAddresses: extra.map((host) => ({ address: address(host, placement.port) })),
    trafficDirection: TrafficDirection.OUTBOUND,
    continueOnListenerFiltersTimeout: true,
    listenerFilters: [...(chains.needsTlsInspector ? [tlsInspector] : []), ...(chains.needsHttpInspector ? [httpInspector] : [])],
    listenerFiltersTimeout: duration(chains.needsHttpInspector ? view.config.protocolDetectionTimeoutMs : 0),
    filterChains: isSingle ? [chains.fallback] : [...chains.matching],
    ...(placement.bindsToPort ? { socketOptions: boundSocketOptions(bind) } : { bindToPort: false }),
  });
  if (!isSingle) listener.defaultFilterChain = chains.fallback ?? passthroughChain(view, requires);
  return seal({
    typeUrl: typeUrls.listener,
    name,
    schema: ListenerSchema,
    message: listener,
    provenance: contributions.flatMap(({ service }) => [service.spec.owner, ...service.aliases.map(({ owner }) => owner)]),
    requires,
  });
}

function contributionsTo(view: ProxyView, egress: EgressView, name: string, services: Iterable<Service>): Contribution[] {
  const contributions: Contribution[] = [];
  for (const service of services) {
    for (const port of service.spec.ports) {
      const protocol = outboundProtocol(egress, port);
      if (protocol === 'none') continue;
      const placement = placementNamed(egress, service, port, view.traits, name);
      if (placement) contributions.push({ service, port, placement, protocol });
    }
  }
  return contributions.sort((a, b) => compareAge(a.service.spec, b.service.spec) || compareHost(a.service, b.service));
}

function compareHost(a: Service, b: Service): number {
  return a.spec.hostname < b.spec.hostname ? -1 : a.spec.hostname > b.spec.hostname ? 1 : 0;
}

function httpChains(
  view: ProxyView,
  egress: EgressView,
  name: string,
  contributions: readonly Contribution[],
  requires: ResourceReference[],
): ChainDraft[] {
  const http = contributions.find(({ protocol }) => protocol === 'http' || protocol === 'auto');
  if (!http) return [];
  const routeName = routeNameOf(egress, http.service, http.port, http.placement);
  requires.push({ typeUrl: typeUrls.route, name: routeName });
  const isAlone = contributions.every(({ protocol }) => protocol === 'http');
  // On an intercepted wildcard even a port of HTTP services sees connections to hosts outside of the mesh, in any protocol.
  const seesStrangers = http.placement.isWildcard && !http.placement.bindsToPort;
  return [
    {
      filter: buildOutboundHttp(`outbound_${name}`, routeName, view.config),
      ...(isAlone && !seesStrangers ? {} : { isHttpOnly: true }),
    },
  ];
}

function tcpChains(view: ProxyView, contributions: readonly Contribution[], requires: ResourceReference[]): ChainDraft[] {
  const tls = contributions.filter(({ protocol }) => protocol === 'tls');
  const drafts: ChainDraft[] = [];
  for (const { service, port, placement, protocol } of contributions) {
    if (protocol === 'http') continue;
    const cluster = outboundClusterName(service.spec.hostname, port.number);
    requires.push({ typeUrl: typeUrls.cluster, name: cluster });
    // On an address of its own a TLS service needs no SNI to be known by; sharing one, or on the wildcard, it does.
    // Headless services that share pods lead to the same place, and clients may send a pod's name.
    const needsServerName = protocol === 'tls' && (placement.isWildcard || (tls.length > 1 && !service.spec.isHeadless));
    // Envoy refuses the whole listener for a name such as `*-api.example.com`: only a whole first label may be a wildcard.
    if (needsServerName && /^\*[^.]/.test(service.spec.hostname)) continue;
    drafts.push({
      filter: buildTcpProxy(cluster, view.config),
      cidrs: placement.cidrs,
      ...(needsServerName ? { serverNames: serverNamesOf(service, view.traits) } : {}),
    });
  }
  return drafts;
}

/** Istio's rule: the host, and every form of its other names. */
function serverNamesOf({ spec, aliases }: Service, traits: ProxyTraits): string[] {
  return [spec.hostname, ...aliases.flatMap(({ hostname }) => namesOf(hostname, traits))];
}

function passthroughChain(view: ProxyView, requires: ResourceReference[]) {
  const cluster = strangersCluster(view);
  // An egress proxy that is not among the services is none: what would go there is refused until it is.
  if (!view.egressProxy) requires.push({ typeUrl: typeUrls.cluster, name: cluster });
  return assembleChains([{ name: 'PassthroughFilterChain', filter: buildTcpProxy(cluster, view.config) }]).fallback!;
}
