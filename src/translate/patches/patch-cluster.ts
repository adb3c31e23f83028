import { clone } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { isClusterMatched } from './matches.ts';
import { mergeMessages } from './merge-messages.ts';
import { isMerge, mergeOptions, type PatchRun, patchValue } from './patch-run.ts';
import { mergeClusterTransportSocket } from './transport-socket.ts';

/** Applies patches to a cluster, in their order. Answers undefined where it is removed. */
export function patchCluster(cluster: Cluster, run: PatchRun): Cluster | undefined {
  const { name } = cluster;
  for (const owned of run.of('CLUSTER')) {
    if (!isClusterMatched(owned.patch, cluster)) continue;
    if (run.try(owned, ({ operation }) => operation === 'REMOVE')) return undefined;
    run.try(owned, (patch) => {
      if (!isMerge(patch)) return false;
      const rest = clone(ClusterSchema, patchValue<Cluster>(patch));
      mergeClusterTransportSocket(cluster, rest.transportSocket);
      rest.transportSocket = undefined;
      mergeMessages(ClusterSchema, cluster, rest, mergeOptions(patch));
      // The name is what proxies know the resource by; a patch may not change it.
      cluster.name = name;
      return true;
    });
  }
  return cluster;
}
