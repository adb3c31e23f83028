import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { isUnixAddress } from '../../api/address.ts';
import type { Protocol } from '../../api/protocol.ts';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { IpFamilies } from '../../mesh/proxy.ts';
import { address, duration } from '../messages.ts';
import { blackHoleCluster, inboundClusterName, inboundPassthroughCluster, passthroughCluster } from '../names.ts';
import { seal } from '../seal.ts';
import { likeDownstream, protocolOptions, unlimitedConnections } from './upstream-options.ts';

type ClusterInit = MessageInitShape<typeof ClusterSchema>;

/** Traffic goes where the application meant it to. */
export function buildPassthroughCluster(config: MeshConfig): Resource {
  return sealCluster(config, {
    name: passthroughCluster,
    ...toOriginalDestination,
    typedExtensionProtocolOptions: likeDownstream,
  });
}

/** A cluster with no endpoints: what goes here is refused. */
export function buildBlackHoleCluster(config: MeshConfig): Resource {
  return sealCluster(config, {
    name: blackHoleCluster,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
  });
}

/** Inbound traffic for ports that no service declares. */
export function buildInboundPassthroughCluster(config: MeshConfig, families: IpFamilies): Resource {
  return sealCluster(config, {
    name: inboundPassthroughCluster,
    ...toOriginalDestination,
    ...fromSidecar(families),
    typedExtensionProtocolOptions: likeDownstream,
  });
}

/** The workload's own port: Istio's `inbound|port||`. */
export interface InboundClusterOptions {
  readonly port: number;
  readonly protocol: Protocol;
  /** A Sidecar ingress listener's; absent: the address that the connection came for. */
  readonly defaultEndpoint?: string;
  /** Connections come by interception, so their original destination is known. */
  readonly isIntercepted: boolean;
}

/** The cluster behind an inbound port. */
export function buildInboundCluster(
  options: InboundClusterOptions,
  families: IpFamilies,
  config: MeshConfig,
  provenance: readonly ObjectKey[],
): Resource {
  const name = inboundClusterName(options.port);
  const target = parseDefaultEndpoint(options.defaultEndpoint);
  const typedExtensionProtocolOptions = protocolOptions(options.protocol);
  if (options.isIntercepted && (!target || isWildcardAddress(target.host))) {
    const override = target
      ? { lbConfig: { case: 'originalDstLbConfig' as const, value: { upstreamPortOverride: target.port } } }
      : {};
    const init = { name, typedExtensionProtocolOptions, ...toOriginalDestination, ...override, ...fromSidecar(families) };
    return sealCluster(config, init, provenance);
  }
  // Without interception the wildcard means the workload on this host; the loopback of the family reaches the same socket.
  const { host, port } = target ?? { host: families === 'ipv6' ? '::' : '0.0.0.0', port: options.port };
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return sealCluster(
    config,
    {
      name,
      typedExtensionProtocolOptions,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
      loadAssignment: {
        clusterName: name,
        endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: address(reachable, port) } } }] }],
      },
    },
    provenance,
  );
}

const toOriginalDestination = {
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
} satisfies ClusterInit;

/** Connections from the sidecar to its workload come from 127.0.0.6 (`::6`), which the capture rules let pass. */
function fromSidecar(families: IpFamilies) {
  const [primary, extra] = families === 'ipv4' ? ['127.0.0.6'] : families === 'ipv6' ? ['::6'] : ['127.0.0.6', '::6'];
  return {
    upstreamBindConfig: {
      sourceAddress: { address: primary!, portSpecifier: { case: 'portValue', value: 0 } },
      extraSourceAddresses: extra ? [{ address: { address: extra, portSpecifier: { case: 'portValue', value: 0 } } }] : [],
    },
  } satisfies ClusterInit;
}

/** `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `unix:///path`: Istio's forms of an ingress listener's default endpoint. */
function parseDefaultEndpoint(endpoint: string | undefined): { host: string; port: number } | undefined {
  if (endpoint === undefined) return undefined;
  if (isUnixAddress(endpoint)) return { host: endpoint, port: 0 };
  const match = /^\[?([^\]]*?)\]?:(\d+)$/.exec(endpoint);
  return match ? { host: match[1]!, port: Number(match[2]) } : undefined;
}

function isWildcardAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function sealCluster(config: MeshConfig, init: ClusterInit, provenance: readonly ObjectKey[] = []): Resource {
  const message = create(ClusterSchema, {
    connectTimeout: duration(config.connectTimeoutMs),
    circuitBreakers: unlimitedConnections,
    ...init,
  });
  return seal({ typeUrl: typeUrls.cluster, name: message.name, schema: ClusterSchema, message, provenance });
}
