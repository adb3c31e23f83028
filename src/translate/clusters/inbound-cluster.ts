import { isUnixAddress } from '../../api/address.ts';
import { Cluster_DiscoveryType } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Resource } from '../../envoy/resource.ts';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import type { ProxyTraits } from '../../mesh/proxy-view.ts';
import { type InboundPort, inboundBinds } from '../listeners/inbound-listener.ts';
import { address } from '../messages.ts';
import { inboundClusterName, loopbackAddresses } from '../names.ts';
import { type ClusterInit, fromSidecar, sealCluster, toOriginalDestination } from './fixed-clusters.ts';
import { servicesMetadata } from './services-metadata.ts';
import { pooledProtocolOptions, poolLimits, protocolOptions } from './upstream-options.ts';

/** Where an inbound port leads: to the address that the connection was made to, at a port of its own if it has one, or to a fixed one. */
export type Destination =
  | { readonly kind: 'original'; readonly port?: number }
  | { readonly kind: 'fixed'; readonly host: string; readonly port: number };

/** The cluster behind an inbound port: Istio's `inbound|port||`. */
export function buildInboundCluster(port: InboundPort, traits: ProxyTraits, config: MeshConfig): Resource {
  const name = inboundClusterName(port.number);
  const { pool, protocol } = port;
  const init: ClusterInit = {
    name,
    typedExtensionProtocolOptions: pool ? pooledProtocolOptions(protocol, pool) : protocolOptions(protocol),
    ...(pool ? poolLimits(pool) : {}),
    ...(port.services.length ? { metadata: servicesMetadata(port.services) } : {}),
    ...discover(name, port, traits),
  };
  return sealCluster(config, init, port.provenance);
}

function discover(name: string, port: InboundPort, traits: ProxyTraits): ClusterInit {
  const to = destinationOf(port, traits);
  if (to.kind === 'original') {
    const override =
      to.port === undefined
        ? {}
        : { lbConfig: { case: 'originalDstLbConfig' as const, value: { upstreamPortOverride: to.port } } };
    return { ...toOriginalDestination, ...override, ...fromSidecar(traits.ipFamilies) };
  }
  const isLocal = isUnixAddress(to.host) || isLoopback(to.host);
  const endpoint = { hostIdentifier: { case: 'endpoint' as const, value: { address: address(to.host, to.port) } } };
  return {
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    // A port that leads back to itself leads nowhere: connections would go in a circle until nothing is left to open them with.
    loadAssignment: { clusterName: name, endpoints: isItself(to, port, traits) ? [] : [{ lbEndpoints: [endpoint] }] },
    ...(isLocal || traits.interceptionMode === 'NONE' ? {} : fromSidecar(traits.ipFamilies)),
  };
}

/**
 * Istio's reading of `defaultEndpoint`: loopback of a family that the proxy has, the workload's address of a family, a socket;
 * absent: where the connection was going. A port that the proxy binds itself has no such place, and leads to loopback.
 */
export function destinationOf({ number, defaultEndpoint, bindsToPort }: InboundPort, traits: ProxyTraits): Destination {
  const { ipFamilies } = traits;
  if (defaultEndpoint === undefined)
    return bindsToPort ? { kind: 'fixed', host: loopbackAddresses(ipFamilies)[0], port: number } : { kind: 'original' };
  if (isUnixAddress(defaultEndpoint)) return { kind: 'fixed', host: defaultEndpoint, port: 0 };
  const [, host = '', text] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(defaultEndpoint) ?? [];
  const port = Number(text);
  if (isLoopback(host)) {
    const [first, ...rest] = loopbackAddresses(ipFamilies);
    return { kind: 'fixed', host: rest.includes(host) ? host : first, port };
  }
  const isV6 = host === '' ? ipFamilies === 'ipv6' : host === '::';
  // One family, or any: the original destination is the workload's address.
  if (!bindsToPort && (host === '' || ipFamilies !== 'dual')) return { kind: 'original', port };
  const own = traits.addresses?.find((candidate) => candidate.includes(':') === isV6);
  return { kind: 'fixed', host: own ?? (isV6 ? '::1' : '127.0.0.1'), port };
}

function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === '::1';
}

/** Whether the listener of a port that the proxy binds itself is what the port leads to. */
function isItself(to: { readonly host: string; readonly port: number }, port: InboundPort, traits: ProxyTraits): boolean {
  if (!port.bindsToPort || to.port !== port.number) return false;
  const binds = inboundBinds(port, traits);
  return binds.includes(to.host) || (binds.includes(to.host.includes(':') ? '::' : '0.0.0.0') && !isUnixAddress(to.host));
}
