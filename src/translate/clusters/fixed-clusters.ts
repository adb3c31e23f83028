import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { IpFamilies } from '../../mesh/proxy.ts';
import { duration } from '../messages.ts';
import { blackHoleCluster, inboundPassthroughCluster, passthroughCluster } from '../names.ts';
import { seal } from '../seal.ts';
import { likeDownstream, unlimitedConnections } from './upstream-options.ts';

/** A cluster's fields. */
export type ClusterInit = Exclude<MessageInitShape<typeof ClusterSchema>, { $typeName: string }>;

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

/** The address that a connection was made to. */
export const toOriginalDestination = {
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
} satisfies ClusterInit;

/** Connections from the sidecar to its workload come from 127.0.0.6 (`::6`), which the capture rules let pass. */
export function fromSidecar(families: IpFamilies) {
  const [primary, extra] = families === 'ipv4' ? ['127.0.0.6'] : families === 'ipv6' ? ['::6'] : ['127.0.0.6', '::6'];
  return {
    upstreamBindConfig: {
      sourceAddress: { address: primary!, portSpecifier: { case: 'portValue', value: 0 } },
      extraSourceAddresses: extra ? [{ address: { address: extra, portSpecifier: { case: 'portValue', value: 0 } } }] : [],
    },
  } satisfies ClusterInit;
}

/** Seals a cluster with the mesh's defaults under what it says itself. */
export function sealCluster(config: MeshConfig, init: ClusterInit, provenance: readonly ObjectKey[] = []): Resource {
  const message = create(ClusterSchema, {
    connectTimeout: duration(config.connectTimeoutMs),
    circuitBreakers: unlimitedConnections,
    ...init,
  });
  return seal({ typeUrl: typeUrls.cluster, name: message.name, schema: ClusterSchema, message, provenance });
}
