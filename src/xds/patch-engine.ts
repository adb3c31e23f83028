import type { Resource, ResourceReference } from '../envoy/resource.ts';
import type { EnvoyFilterPatch, SelectedEnvoyFilter } from '../mesh/envoy-filter.ts';
import type { ObjectKey } from '../mesh/object-key.ts';

// What classes ask of translation. No EnvoyFilter is accepted yet (docs/adr/0007), so nothing matches.

/** One patch: of which filter, and its index there. */
interface PatchReference {
  readonly object: ObjectKey;
  readonly index: number;
}

/** What became of one resource. */
export interface PatchOutcome {
  /** Undefined: removed. */
  readonly resource: Resource | undefined;
  readonly matched: readonly PatchReference[];
  readonly failed: readonly (PatchReference & { readonly error: unknown })[];
}

/** Applies the filters, in order, to one resource. */
export function patchResource(base: Resource, _filters: readonly SelectedEnvoyFilter[]): PatchOutcome {
  return { resource: base, matched: [], failed: [] };
}

/** What the filters add by themselves. */
export function addedResources(
  _filters: readonly SelectedEnvoyFilter[],
  _isTaken: (reference: ResourceReference) => boolean,
): Pick<PatchOutcome, 'matched' | 'failed'> & { readonly resources: readonly Resource[] } {
  return { resources: [], matched: [], failed: [] };
}

/** By name and type alone: whether a patch could touch a resource. */
export function mayTouch(_patch: EnvoyFilterPatch, _reference: ResourceReference): boolean {
  return false;
}
