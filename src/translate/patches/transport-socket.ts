import { clone } from '@bufbuild/protobuf';
import type { Cluster } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type TransportSocket, TransportSocketSchema } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { isSameType, mergeTypedConfigs } from './typed-config.ts';

/**
 * A transport socket with a patch's merged into it: inside its `typed_config` where name and type are the same, else the patch's takes
 * its place (Istio's special case; a merge of the fields would leave the one's name with the other's configuration).
 */
export function mergeTransportSocket(
  target: TransportSocket | undefined,
  source: TransportSocket | undefined,
): TransportSocket | undefined {
  if (!source) return target;
  if (!target || target.name !== source.name) return clone(TransportSocketSchema, source);
  const [before, patch] = [target.configType, source.configType];
  if (patch.case !== 'typedConfig') return target;
  if (before.case !== 'typedConfig' || !isSameType(before.value, patch.value)) return clone(TransportSocketSchema, source);
  target.configType = { case: 'typedConfig', value: mergeTypedConfigs(before.value, patch.value) };
  return target;
}

/**
 * The same for a cluster: where it chooses its transport socket by endpoint, the first choice of the patch's name is merged into, and
 * where none has it the patch's is left out, for a cluster cannot have both (Istio's rules).
 */
export function mergeClusterTransportSocket(cluster: Cluster, source: TransportSocket | undefined): void {
  if (!source) return;
  if (!cluster.transportSocketMatches.length) {
    cluster.transportSocket = mergeTransportSocket(cluster.transportSocket, source);
    return;
  }
  const chosen = cluster.transportSocketMatches.find(({ transportSocket }) => transportSocket?.name === source.name);
  if (chosen) chosen.transportSocket = mergeTransportSocket(chosen.transportSocket, source);
}
