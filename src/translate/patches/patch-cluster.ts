import { clone } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocket } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import type { ResourceReference } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { isClusterMatched } from './matches.ts';
import { mergeMessages } from './merge-messages.ts';
import { PartialMessage, touchedFields } from './partial-message.ts';
import { isMerge, mergeOptions, type PatchRun, patchValue } from './patch-run.ts';
import { clusterReferences } from './references.ts';
import { mergeClusterTransportSocket } from './transport-socket.ts';

/** A serialised resource that patches have changed, and what it asks for by name. */
export interface PatchedBytes {
  readonly value: Uint8Array;
  readonly references: readonly ResourceReference[];
}

const field = ClusterSchema.field;
/** What is looked at whatever the patches are: the name, transport sockets, and what a cluster asks for by name. */
const alwaysRead = [
  field.name,
  field.transportSocket,
  field.transportSocketMatches,
  field.type,
  field.clusterType,
  field.edsClusterConfig,
  field.filters,
].map(({ number }) => number);

/** Applies patches to a serialised cluster, in their order. Answers undefined where it is removed, or where nothing matched. */
export function patchCluster(bytes: Uint8Array, run: PatchRun): PatchedBytes | undefined {
  const patches = run.of('CLUSTER');
  const merges = patches.filter(({ patch }) => isMerge(patch) && patch.value);
  const fields = new Set([...alwaysRead, ...merges.flatMap(({ patch }) => [...touchedFields(ClusterSchema, patch.value!)])]);
  // The services of an inbound cluster.
  if (patches.some(({ patch }) => patch.cluster?.service)) fields.add(field.metadata.number);
  const partial = new PartialMessage(ClusterSchema, bytes, fields);
  const cluster = partial.message;
  for (const owned of patches) {
    if (!isClusterMatched(owned.patch, cluster)) continue;
    if (run.try(owned, ({ operation }) => operation === 'REMOVE')) return undefined;
    run.try(owned, (patch) => isMerge(patch) && mergeCluster(cluster, patch));
  }
  return run.matched.size ? { value: partial.encode(), references: clusterReferences(cluster) } : undefined;
}

function mergeCluster(cluster: Cluster, patch: EnvoyFilterPatch): true {
  const { name } = cluster;
  const { transportSocket, rest } = withoutTransportSocket(patchValue<Cluster>(patch));
  mergeClusterTransportSocket(cluster, transportSocket);
  mergeMessages(ClusterSchema, cluster, rest, mergeOptions(patch));
  // The name is what proxies know the resource by; a patch may not change it.
  cluster.name = name;
  return true;
}

const taken = new WeakMap<Cluster, { readonly transportSocket?: TransportSocket; readonly rest: Cluster }>();

function withoutTransportSocket(value: Cluster): { readonly transportSocket?: TransportSocket; readonly rest: Cluster } {
  const { transportSocket } = value;
  if (!transportSocket) return { rest: value };
  let parts = taken.get(value);
  if (!parts) {
    parts = { transportSocket, rest: clone(ClusterSchema, value) };
    parts.rest.transportSocket = undefined;
    taken.set(value, parts);
  }
  return parts;
}
