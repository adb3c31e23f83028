import type { Resource } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';

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
