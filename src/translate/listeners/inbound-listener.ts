import { create } from '@bufbuild/protobuf';
import type { Protocol } from '../../api/protocol.ts';
import { TrafficDirection } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { ConnectionPool } from '../../mesh/connection-pool.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import { bindsIngress, mayBind, type ProxyTraits, type ProxyView } from '../../mesh/proxy-view.ts';
import type { ServerTls } from '../../mesh/server-tls.ts';
import { listenerProtocol, type ServiceSpec } from '../../mesh/service.ts';
import { address, duration } from '../messages.ts';
import { inboundClusterName, listenerName, wildcardAddresses } from '../names.ts';
import { seal } from '../seal.ts';
import { boundSocketOptions } from './bound-socket.ts';
import { buildDownstreamTls } from './downstream-tls.ts';
import { assembleChains, type ChainDraft } from './filter-chains.ts';
import { buildInboundHttp, buildTcpProxy, httpInspector } from './filters.ts';

/** A port of the proxy's own workload: declared by a service that it serves, or by its Sidecar's ingress. */
export interface InboundPort {
  readonly number: number;
  /** The port by which clients know it: it names the virtual host. Default: the same. */
  readonly servicePort?: number;
  /** What comes out where TLS ends at the proxy. */
  readonly protocol: Protocol;
  readonly provenance: readonly ObjectKey[];
  /** The services whose port it is: what an EnvoyFilter's `cluster.service` is compared with. */
  readonly services: readonly ServiceSpec[];
  /** A Sidecar ingress listener's, as Istio writes it. */
  readonly defaultEndpoint?: string;
  /** Where it listens, or would; absent: on the addresses of the workload. */
  readonly bind?: string;
  readonly bindsToPort: boolean;
  readonly tls?: ServerTls;
  readonly pool?: ConnectionPool;
}

/** The inbound ports of a proxy, lowest first. A Sidecar's ingress listeners replace what its services declare (Istio's rule). */
export function inboundPorts(view: ProxyView): InboundPort[] {
  const ports = view.ingress.length ? ingressPorts(view) : servicePorts(view);
  return ports
    .filter(({ bindsToPort, number }) => !bindsToPort || mayBind(number, view.traits))
    .sort((a, b) => a.number - b.number);
}

function ingressPorts({ ingress, inbound, traits, inboundConnectionPool, sidecarKey }: ProxyView): InboundPort[] {
  return ingress.map((listener) => {
    const { port, bind, tls, defaultEndpoint } = listener;
    const pool = listener.connectionPool ?? inboundConnectionPool;
    const services = inbound.filter(({ targetPort }) => targetPort === port.number).map(({ service }) => service.spec);
    return {
      number: port.number,
      protocol: tls ? afterTermination(port.protocol) : port.protocol,
      provenance: [...(sidecarKey ? [sidecarKey] : []), ...services.map(({ owner }) => owner)],
      services,
      ...(defaultEndpoint === undefined ? {} : { defaultEndpoint }),
      ...(bind === undefined ? {} : { bind }),
      bindsToPort: bindsIngress(listener, traits),
      ...(tls ? { tls } : {}),
      ...(pool ? { pool } : {}),
    };
  });
}

/** None where nothing is intercepted: the workload itself has its ports then. */
function servicePorts({ inbound, traits, inboundConnectionPool: pool, sidecarKey }: ProxyView): InboundPort[] {
  const ports = new Map<number, InboundPort>();
  for (const { service, port, targetPort } of traits.interceptionMode === 'NONE' ? [] : inbound) {
    if (listenerProtocol(port.protocol) === 'none') continue;
    // Two services may lead to one port of the workload: the first says how it is served.
    const first = ports.get(targetPort);
    ports.set(targetPort, {
      number: targetPort,
      servicePort: first?.servicePort ?? port.number,
      protocol: first?.protocol ?? port.protocol,
      provenance: [...(first?.provenance ?? []), service.spec.owner, ...(pool && sidecarKey ? [sidecarKey] : [])],
      services: [...(first?.services ?? []), service.spec],
      bindsToPort: false,
      ...(pool ? { pool } : {}),
    });
  }
  return [...ports.values()];
}

/** What is inside of TLS (Istio's `AfterTLSTermination`). */
function afterTermination(protocol: Protocol): Protocol {
  return protocol === 'HTTPS' ? 'HTTP' : 'TCP';
}

/** The addresses that an inbound port is listened for at, or would be: the first names it. */
export function inboundBinds({ bind, bindsToPort }: InboundPort, traits: ProxyTraits): readonly [string, ...string[]] {
  if (bind !== undefined) return [bind];
  const [first, ...rest] = bindsToPort ? (traits.addresses ?? []) : [];
  return first === undefined ? wildcardAddresses(traits.ipFamilies) : [first, ...rest];
}

/** The filter chains of one inbound port: HTTP, TCP, or both where the protocol is to be sniffed. */
export function inboundChains(port: InboundPort, { config, traits }: ProxyView): ChainDraft[] {
  const { tls, pool } = port;
  const cluster = inboundClusterName(port.number);
  const name = listenerName(inboundBinds(port, traits)[0], port.number);
  const common = {
    name,
    ...(port.bindsToPort ? {} : { destinationPort: port.number }),
    // Whatever comes to the port: what is no TLS fails the handshake, rather than pass to the workload as it is.
    ...(tls ? { transportSocket: buildDownstreamTls(tls) } : {}),
  };
  const http = (): ChainDraft => ({
    ...common,
    filter: buildInboundHttp(`inbound_${name}`, port.servicePort ?? port.number, cluster, config, tls?.clients !== undefined),
  });
  const limits = { idleTimeoutMs: pool?.tcpIdleTimeoutMs, maxDurationMs: pool?.maxConnectionDurationMs };
  const tcp = (): ChainDraft => ({ ...common, filter: buildTcpProxy(cluster, config, limits) });
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
  const [bind, ...extra] = inboundBinds(port, view.traits);
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
