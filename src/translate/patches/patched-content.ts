import type { Resource, ResourceReference } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import type { FailedPatch, PatchOutcome, PatchReference } from './patch-outcome.ts';

/** What patches made of bytes: the same for every resource that has them. */
export interface PatchedContent {
  readonly bytes:
    | 'same'
    | 'gone'
    | {
        readonly value: Uint8Array;
        readonly version: string;
        /** What a proxy asks for because of them; undefined: what it asked for because of the bytes before. */
        readonly references: readonly ResourceReference[] | undefined;
      };
  readonly matched: readonly PatchReference[];
  readonly failed: readonly FailedPatch[];
}

/** What is known of some bytes under some patches. */
class Result {
  content: PatchedContent | undefined;
  #outcomes: WeakMap<Resource, PatchOutcome> | undefined;
  /** Gone with any of the patches. */
  #next: WeakMap<EnvoyFilterPatch, Result> | undefined;

  /** By the resources that have the bytes. */
  get outcomes(): WeakMap<Resource, PatchOutcome> {
    this.#outcomes ??= new WeakMap();
    return this.#outcomes;
  }

  /** Under one more patch, behind the others. */
  behind(patch: EnvoyFilterPatch): Result {
    this.#next ??= new WeakMap();
    let next = this.#next.get(patch);
    if (!next) {
      next = new Result();
      this.#next.set(patch, next);
    }
    return next;
  }
}

/**
 * What is known of bytes: many classes of proxies have listeners and routes that differ in nothing but who they derive from. Gone with
 * the last resource that has the bytes.
 */
export class KnownBytes {
  /** Undefined: nobody has looked. */
  hasConnectionManager: boolean | undefined;
  /** Under no patch. */
  readonly untouched = new Result();
  readonly value: Uint8Array;

  constructor(value: Uint8Array) {
    this.value = value;
  }
}

const byResource = new WeakMap<Resource, KnownBytes>();
const byVersion = new Map<string, WeakRef<KnownBytes>>();
const forgotten = new FinalizationRegistry<string>((key) => {
  if (byVersion.get(key)?.deref() === undefined) byVersion.delete(key);
});

/** What is known of a resource's bytes. */
export function knownOf(resource: Resource): KnownBytes {
  let known = byResource.get(resource);
  if (!known) {
    known = sharedBy(resource);
    byResource.set(resource, known);
  }
  return known;
}

function sharedBy({ typeUrl, version, value }: Resource): KnownBytes {
  const key = `${typeUrl} ${version}`;
  const shared = byVersion.get(key)?.deref();
  if (shared && Buffer.compare(shared.value, value) === 0) return shared;
  const known = new KnownBytes(value);
  byVersion.set(key, new WeakRef(known));
  forgotten.register(known, key);
  return known;
}
