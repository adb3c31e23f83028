import type { Message } from '@bufbuild/protobuf';
import type { ApplyTo } from '../../api/envoy-filter/schema.ts';
import { ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TypedExtensionConfigSchema } from '../../envoy/gen/envoy/config/core/v3/extension_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { type Resource, type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch, SelectedEnvoyFilter } from '../../mesh/envoy-filter.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import { seal } from '../seal.ts';
import { isForSidecars } from './matches.ts';
import type { FailedPatch, PatchReference } from './patch-outcome.ts';
import { patchValue } from './patch-run.ts';
import { clusterReferences, listenerReferences } from './references.ts';

/** What filters add to a proxy's resources by themselves. */
export interface AddedResources {
  readonly resources: readonly Resource[];
  readonly matched: readonly PatchReference[];
  /** Patches whose resource cannot be served: it has no name, or one that is taken. */
  readonly failed: readonly FailedPatch[];
}

const kinds = {
  CLUSTER: { typeUrl: typeUrls.cluster, schema: ClusterSchema, references: clusterReferences },
  LISTENER: { typeUrl: typeUrls.listener, schema: ListenerSchema, references: listenerReferences },
  EXTENSION_CONFIG: { typeUrl: typeUrls.extensionConfig, schema: TypedExtensionConfigSchema, references: () => [] },
} as const;

type AddedKind = keyof typeof kinds;

/**
 * ADD of CLUSTER and LISTENER, and EXTENSION_CONFIG. What is added is served as it is: no patch is applied to it (Istio's rule).
 * A name belongs to who has it first: the mesh, then the filters as given.
 * @param isTaken whether the proxy has a resource of this name already
 */
export function addedResources(
  filters: readonly SelectedEnvoyFilter[],
  isTaken: (reference: ResourceReference) => boolean,
): AddedResources {
  const added = new Map<string, Resource>();
  const matched: PatchReference[] = [];
  const failed: FailedPatch[] = [];
  for (const { filter, patches } of filters) {
    for (const patch of patches) {
      if (patch.operation !== 'ADD' || !isAddedKind(patch.applyTo) || !isForSidecars(patch)) continue;
      const reference = { object: filter.key, index: patch.index };
      try {
        const resource = resourceOf(patch, patch.applyTo, filter.key);
        const id = `${resource.typeUrl} ${resource.name}`;
        if (isTaken(resource)) throw new Error(`the proxy has a ${labels[patch.applyTo]} called ${resource.name} already`);
        const rival = added.get(id)?.provenance[0];
        if (rival) throw new Error(`${rival} has added a ${labels[patch.applyTo]} called ${resource.name} already`);
        added.set(id, resource);
        matched.push(reference);
      } catch (error) {
        failed.push({ ...reference, error });
      }
    }
  }
  return { resources: [...added.values()], matched, failed };
}

const labels: Readonly<Record<AddedKind, string>> = {
  CLUSTER: 'cluster',
  LISTENER: 'listener',
  EXTENSION_CONFIG: 'configuration',
};

function isAddedKind(applyTo: ApplyTo): applyTo is AddedKind {
  return Object.hasOwn(kinds, applyTo);
}

const sealed = new WeakMap<EnvoyFilterPatch, Resource>();

/** A patch's value as a resource, serialised once. */
function resourceOf(patch: EnvoyFilterPatch, applyTo: AddedKind, owner: ObjectKey): Resource {
  let resource = sealed.get(patch);
  if (!resource) {
    const { typeUrl, schema, references } = kinds[applyTo];
    const message = patchValue<Message & { name: string }>(patch);
    if (!message.name) throw new Error('what is added needs a name');
    const requires = (references as (message: Message) => ResourceReference[])(message);
    resource = seal({ typeUrl, name: message.name, schema, message: message as never, provenance: [owner], requires });
    sealed.set(patch, resource);
  }
  return resource;
}
