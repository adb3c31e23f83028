import { create } from '@bufbuild/protobuf';
import type { Protocol } from '../../api/protocol.ts';
import { TrafficDirection } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxyView } from '../../mesh/proxy-view.ts';
import { listenerProtocol } from '../../mesh/service.ts';
import { address, duration } from '../messages.ts';
import { inboundClusterName, listenerName, loopbackAddresses, wildcardAddresses } from '../names.ts';
import { seal } from '../seal.ts';
import { boundSocketOptions } from './bound-socket.ts';
import { assembleChains, type ChainDraft } from './filter-chains.ts';
import { buildInboundHttp, buildTcpProxy, httpInspector } from './filters.ts';

/** A port of the proxy's own workload: declared by a service that it serves, or by its Sidecar's ingress. */
export interface InboundPort {
  readonly number: number;
  readonly protocol: Protocol;
  readonly provenance: readonly ObjectKey[];
  /** A Sidecar ingress listener's, as Istio writes it. */
  readonly defaultEndpoint?: string;
  /** Set where the proxy binds the port itself; the addresses are chosen where it is empty. */
  readonly bind?: string;
  readonly bindsToPort: boolean;
}

/** The inbound ports of a proxy, lowest first. A Sidecar's ingress listeners replace what its services declare (Istio's rule). */
export function inboundPorts(view: ProxyView): InboundPort[] {
  const isUnintercepted = view.traits.interceptionMode === 'NONE';
  const ports = new Map<number, InboundPort>();
  for (const { port, bind, captureMode, defaultEndpoint } of view.ingress) {
    ports.set(port.number, {
      number: port.number,
      protocol: port.protocol,
      provenance: view.sidecarKey ? [view.sidecarKey] : [],
      ...(defaultEndpoint === undefined ? {} : { defaultEndpoint }),
      ...(bind === undefined ? {} : { bind }),
      bindsToPort: captureMode === 'NONE' || (captureMode === 'DEFAULT' && isUnintercepted),
    });
  }
  if (!view.ingress.length && !isUnintercepted) {
    for (const { service, port, targetPort } of view.inbound) {
      if (ports.has(targetPort) || listenerProtocol(port.protocol) === 'none') continue;
      ports.set(targetPort, {
        number: targetPort,
        protocol: port.protocol,
        provenance: [service.spec.owner],
        bindsToPort: false,
      });
    }
  }
  return [...ports.values()].sort((a, b) => a.number - b.number);
}

/** The filter chains of one inbound port: HTTP, TCP, or both where the protocol is to be sniffed. */
export function inboundChains(port: InboundPort, { config, traits }: ProxyView): ChainDraft[] {
  const cluster = inboundClusterName(port.number);
  const name = listenerName(wildcardAddresses(traits.ipFamilies)[0], port.number);
  const destinationPort = port.bindsToPort ? {} : { destinationPort: port.number };
  const http = (): ChainDraft => ({
    name,
    filter: buildInboundHttp(`inbound_${name}`, port.number, cluster, config),
    ...destinationPort,
  });
  const tcp = (): ChainDraft => ({ name, filter: buildTcpProxy(cluster, config), ...destinationPort });
  switch (listenerProtocol(port.protocol)) {
    case 'http':
      return [http()];
    case 'auto':
      return [{ ...http(), isHttpOnly: true }, tcp()];
    case 'none':
      return [];
    default:
      return [tcp()];
  }
}

/** The listener of an inbound port that the proxy binds itself (a Sidecar's ingress with `captureMode: NONE`). */
export function buildInboundListener(view: ProxyView, port: InboundPort): Resource {
  const chains = assembleChains(inboundChains(port, view));
  // Istio: without a bind, a workload that is not intercepted is served on every address.
  const binds = port.bind ? [port.bind] : wildcardAddresses(view.traits.ipFamilies);
  const [bind = loopbackAddresses(view.traits.ipFamilies)[0], ...extra] = binds;
  // Apart from the outbound listener of the same address and port, which it must not replace.
  const name = `inbound_${listenerName(bind, port.number)}`;
  return seal({
    typeUrl: typeUrls.listener,
    name,
    schema: ListenerSchema,
    message: create(ListenerSchema, {
      name,
      address: address(bind, port.number),
      additionalAddresses: extra.map((host) => ({ address: address(host, port.number) })),
      trafficDirection: TrafficDirection.INBOUND,
      socketOptions: boundSocketOptions(bind),
      listenerFilters: chains.needsHttpInspector ? [httpInspector] : [],
      listenerFiltersTimeout: duration(chains.needsHttpInspector ? view.config.protocolDetectionTimeoutMs : 0),
      continueOnListenerFiltersTimeout: true,
      filterChains: [...chains.matching, ...(chains.fallback ? [chains.fallback] : [])],
    }),
    provenance: port.provenance,
    requires: [{ typeUrl: typeUrls.cluster, name: inboundClusterName(port.number) }],
  });
}
