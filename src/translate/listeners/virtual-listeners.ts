import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { ProxyTraits, ProxyView } from '../../mesh/proxy-view.ts';
import { listenerProtocol } from '../../mesh/service.ts';
import { destinationOf } from '../clusters/inbound-cluster.ts';
import { address, duration } from '../messages.ts';
import {
  blackHoleCluster,
  inboundPassthroughCluster,
  passthroughCluster,
  strangersCluster,
  virtualInboundListener,
  virtualInboundPort,
  virtualOutboundListener,
  virtualOutboundPort,
  wildcardAddresses,
} from '../names.ts';
import { seal } from '../seal.ts';
import { assembleChains, type ChainDraft } from './filter-chains.ts';
import { buildTcpProxy, exceptOnPorts, httpInspector, originalDestination, originalSource } from './filters.ts';
import { type InboundPort, inboundChains } from './inbound-listener.ts';

/** Takes every intercepted outbound connection and hands it to the listener of its original destination. */
export function buildVirtualOutbound(view: ProxyView): Resource {
  const cluster = strangersCluster(view);
  const chains = assembleChains([
    // A connection made to the port itself would be passed through to itself, without end.
    {
      name: 'virtualOutbound-blackhole',
      filter: buildTcpProxy(blackHoleCluster, view.config),
      destinationPort: virtualOutboundPort,
    },
    { name: 'virtualOutbound-catchall-tcp', filter: buildTcpProxy(cluster, view.config) },
  ]);
  return virtualListener(view, virtualOutboundListener, virtualOutboundPort, {
    trafficDirection: TrafficDirection.OUTBOUND,
    useOriginalDst: true,
    filterChains: [...chains.matching, chains.fallback!],
  });
}

/** Takes every intercepted inbound connection: declared ports by protocol, the rest as it comes. */
export function buildVirtualInbound(view: ProxyView, ports: readonly InboundPort[]): Resource {
  const drafts: ChainDraft[] = [
    {
      name: 'virtualInbound-blackhole',
      filter: buildTcpProxy(blackHoleCluster, view.config),
      destinationPort: virtualInboundPort,
    },
    ...ports.flatMap((port) => inboundChains(port, view)),
    { name: 'virtualInbound', filter: buildTcpProxy(inboundPassthroughCluster, view.config) },
  ];
  const chains = assembleChains(drafts);
  return virtualListener(
    view,
    virtualInboundListener,
    virtualInboundPort,
    {
      trafficDirection: TrafficDirection.INBOUND,
      listenerFilters: [
        originalDestination,
        ...(view.traits.interceptionMode === 'TPROXY' ? [exceptOnPorts(originalSource, elsewherePorts(ports, view.traits))] : []),
        ...(chains.needsHttpInspector ? [exceptOnPorts(httpInspector, unsniffedPorts(ports))] : []),
      ],
      listenerFiltersTimeout: duration(chains.needsHttpInspector ? view.config.protocolDetectionTimeoutMs : 0),
      continueOnListenerFiltersTimeout: true,
      filterChains: [...chains.matching, chains.fallback!],
    },
    ports,
  );
}

/**
 * Ports on which nothing is to be sniffed. Where the server may speak first, to wait for the client's first bytes would be to wait
 * for ever; where TLS ends here, they say nothing.
 */
function unsniffedPorts(ports: readonly InboundPort[]): number[] {
  return ports.filter(({ protocol, tls }) => tls || listenerProtocol(protocol) === 'tcp').map(({ number }) => number);
}

/**
 * Ports that lead to a fixed place: loopback, which nobody reaches from another host's address, or an address of either family, which may not
 * be the client's.
 */
function elsewherePorts(ports: readonly InboundPort[], traits: ProxyTraits): number[] {
  return ports.filter((port) => destinationOf(port, traits).kind === 'fixed').map(({ number }) => number);
}

function virtualListener(
  view: ProxyView,
  name: string,
  port: number,
  init: Pick<Parameters<typeof create<typeof ListenerSchema>>[1] & object, 'trafficDirection'> & Record<string, unknown>,
  ports: readonly InboundPort[] = [],
): Resource {
  const [bind, ...extra] = wildcardAddresses(view.traits.ipFamilies);
  return seal({
    typeUrl: typeUrls.listener,
    name,
    schema: ListenerSchema,
    message: create(ListenerSchema, {
      ...init,
      name,
      address: address(bind, port),
      additionalAddresses: extra.map((host) => ({ address: address(host, port) })),
      ...(view.traits.interceptionMode === 'TPROXY' ? { transparent: true } : {}),
    }),
    provenance: ports.flatMap(({ provenance }) => provenance),
    requires: [passthroughCluster, blackHoleCluster].map((cluster) => ({ typeUrl: typeUrls.cluster, name: cluster })),
  });
}
