import type { Message } from '@bufbuild/protobuf';
import type { ApplyTo } from '../../api/envoy-filter/schema.ts';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { MergeOptions } from './merge-messages.ts';

/** A patch, and the EnvoyFilter that it is of. */
export interface OwnedPatch {
  readonly object: ObjectKey;
  readonly patch: EnvoyFilterPatch;
}

/** A patch failed: which, and why. */
export class PatchFailure extends Error {
  readonly failed: OwnedPatch;

  constructor(failed: OwnedPatch, cause: unknown) {
    super(`configPatches[${failed.patch.index}] of ${failed.object} failed`, { cause });
    this.failed = failed;
  }
}

/** One pass of patches over one resource: the patches by kind, in order, and those that have matched something so far. */
export class PatchRun {
  readonly matched = new Set<OwnedPatch>();
  readonly #byKind = new Map<ApplyTo, OwnedPatch[]>();

  constructor(patches: Iterable<OwnedPatch>) {
    for (const owned of patches) {
      const kind = this.#byKind.get(owned.patch.applyTo);
      if (kind) kind.push(owned);
      else this.#byKind.set(owned.patch.applyTo, [owned]);
    }
  }

  /** The patches for one part of the configuration, in their order. */
  of(applyTo: ApplyTo): readonly OwnedPatch[] {
    return this.#byKind.get(applyTo) ?? [];
  }

  /** Whether there is a patch for one of these parts. */
  has(...kinds: readonly ApplyTo[]): boolean {
    return kinds.some((kind) => this.#byKind.has(kind));
  }

  /**
   * Tries a patch on something. `change` answers whether the patch matched; what it throws becomes a {@link PatchFailure}.
   * Answers the same.
   */
  try(owned: OwnedPatch, change: (patch: EnvoyFilterPatch) => boolean): boolean {
    try {
      const isMatch = change(owned.patch);
      if (isMatch) this.matched.add(owned);
      return isMatch;
    } catch (error) {
      throw new PatchFailure(owned, error);
    }
  }
}

/** A patch's value, which is shared and not to be changed; throws where there is none. */
export function patchValue<T extends Message>(patch: EnvoyFilterPatch): T {
  if (!patch.value) throw new Error(`${patch.operation} needs a value`);
  return patch.value as T;
}

/** Whether an operation is one of the two merges. */
export function isMerge({ operation }: EnvoyFilterPatch): boolean {
  return operation === 'MERGE' || operation === 'MERGE_AND_REPLACE_LIST';
}

/** How an operation that is a merge treats lists. */
export function mergeOptions({ operation }: EnvoyFilterPatch): MergeOptions {
  return { replacesLists: operation === 'MERGE_AND_REPLACE_LIST' };
}
