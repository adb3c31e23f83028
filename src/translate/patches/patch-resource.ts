import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type Resource, type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch, SelectedEnvoyFilter } from '../../mesh/envoy-filter.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import { sealBytes } from '../seal.ts';
import { mayTouch } from './matches.ts';
import { patchCluster } from './patch-cluster.ts';
import { patchListener } from './patch-listener.ts';
import { patchRoutes } from './patch-routes.ts';
import { type OwnedPatch, PatchFailure, PatchRun } from './patch-run.ts';
import { listenerReferences } from './references.ts';

/** Names a patch: `configPatches[index]` of an object. */
export interface PatchReference {
  readonly object: ObjectKey;
  readonly index: number;
}

/** A patch that could not be applied, and why. */
export type FailedPatch = PatchReference & { readonly error: unknown };

/** What patches made of a resource. */
export interface PatchOutcome {
  /** The patched resource; the very one given where nothing matched or nothing changed; undefined: removed. */
  readonly resource: Resource | undefined;
  /** Patches that matched something in it, also where the bytes came out the same. */
  readonly matched: readonly PatchReference[];
  /** Patches that threw: their effect is left out, the others' kept. */
  readonly failed: readonly FailedPatch[];
}

/**
 * Applies the filters to one resource, as Istio orders patches: by what they are for (a listener, then its chains, then their filters),
 * and among those for the same by filter as given, and by index. The resource given is not changed. The outcome is computed once for
 * a resource and the patches that may touch it, and shared.
 */
export function patchResource(base: Resource, filters: readonly SelectedEnvoyFilter[]): PatchOutcome {
  const patches: OwnedPatch[] = [];
  for (const { filter, patches: selected } of filters) {
    for (const patch of selected) if (mayTouch(patch, base)) patches.push({ object: filter.key, patch });
  }
  if (!patches.length) return { resource: base, matched: [], failed: [] };
  const node = nodeOf(base, patches);
  node.outcome ??= apply(base, patches);
  return node.outcome;
}

/** Outcomes by the patches that led to them, one level for each patch. Gone with the resource, or with any of the patches. */
interface Node {
  outcome?: PatchOutcome;
  next?: WeakMap<EnvoyFilterPatch, Node>;
}

const outcomes = new WeakMap<Resource, Node>();

function nodeOf(base: Resource, patches: readonly OwnedPatch[]): Node {
  let node = outcomes.get(base);
  if (!node) {
    node = {};
    outcomes.set(base, node);
  }
  for (const { patch } of patches) {
    node.next ??= new WeakMap();
    let next = node.next.get(patch);
    if (!next) {
      next = {};
      node.next.set(patch, next);
    }
    node = next;
  }
  return node;
}

/** A patch that throws may have done half of its work by then: everything is done again without it. */
function apply(base: Resource, patches: readonly OwnedPatch[]): PatchOutcome {
  const failed: FailedPatch[] = [];
  let rest = patches;
  for (;;) {
    const run = new PatchRun(rest);
    try {
      const resource = applyOnce(base, run);
      return { resource, matched: [...run.matched].map(reference), failed };
    } catch (error) {
      if (!(error instanceof PatchFailure)) throw error;
      failed.push({ ...reference(error.failed), error: error.cause });
      rest = rest.filter((owned) => owned !== error.failed);
    }
  }
}

function reference({ object, patch: { index } }: OwnedPatch): PatchReference {
  return { object, index };
}

function applyOnce(base: Resource, run: PatchRun): Resource | undefined {
  switch (base.typeUrl) {
    case typeUrls.cluster: {
      const patched = patchCluster(base.value, run);
      if (patched) return sealPatched(base, run, patched.value, patched.references);
      return run.matched.size ? undefined : base;
    }
    case typeUrls.listener: {
      if (!run.has(...insideOfListeners) && !mayHaveConnectionManager(base.value)) return base;
      const listener = patchListener(fromBinary(ListenerSchema, base.value), run);
      if (!listener || !run.matched.size) return listener && base;
      return sealPatched(base, run, toBinary(ListenerSchema, listener), [
        ...base.requires.filter(({ typeUrl }) => typeUrl === typeUrls.cluster),
        ...listenerReferences(listener),
      ]);
    }
    default: {
      const bytes = patchRoutes(base.value, run);
      return bytes ? sealPatched(base, run, bytes, base.requires) : base;
    }
  }
}

const insideOfListeners = ['LISTENER', 'LISTENER_FILTER', 'FILTER_CHAIN', 'NETWORK_FILTER'] as const;
const connectionManager = Buffer.from(HttpConnectionManagerSchema.typeName);

/** The listeners of TCP services are many; patches for HTTP alone need not read them. */
function mayHaveConnectionManager(listener: Uint8Array): boolean {
  return Buffer.from(listener.buffer, listener.byteOffset, listener.byteLength).includes(connectionManager);
}

function sealPatched(base: Resource, run: PatchRun, value: Uint8Array, requires: readonly ResourceReference[]): Resource {
  if (Buffer.compare(base.value, value) === 0) return base;
  const { typeUrl, name } = base;
  const provenance = [...base.provenance, ...[...run.matched].map(({ object }) => object)];
  return sealBytes({ typeUrl, name, provenance, requires }, value);
}
