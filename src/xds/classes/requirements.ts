import type { TypeUrl } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';

/** How many objects that are gone are remembered, for telling when their last resource was dropped. */
const forgetAbove = 4096;

/** By object and type, the revision at which the object's own change last altered bytes of a class. Memory follows the objects there are. */
export class Requirements {
  readonly #required = new Map<ObjectKey, Map<TypeUrl, number>>();
  #log: { readonly revision: number; readonly object: ObjectKey }[] = [];

  /** Undefined: never since the class was made, or forgotten. */
  get(object: ObjectKey): ReadonlyMap<TypeUrl, number> | undefined {
    return this.#required.get(object);
  }

  /** Notes that what the object changed at `revision` waits for acknowledgement. */
  note(object: ObjectKey, typeUrl: TypeUrl, revision: number): void {
    const required = this.#required.get(object) ?? new Map<TypeUrl, number>();
    if (required.get(typeUrl) === revision) return;
    required.set(typeUrl, revision);
    // Moved to the end: the map's order is that of the last change.
    this.#required.delete(object);
    this.#required.set(object, required);
    this.#log.push({ revision, object });
  }

  /** The objects noted behind `revision`, the newest first; an object may come more than once. */
  *since(revision: number): Generator<ObjectKey> {
    for (let index = this.#log.length - 1; index >= 0; index--) {
      const entry = this.#log[index]!;
      if (entry.revision <= revision) return;
      yield entry.object;
    }
  }

  /** Forgets the oldest of what is too much. `present`: how many objects there are, and whether one is among them. */
  trim(present: { readonly size: number; get(object: ObjectKey): unknown }): void {
    if (this.#log.length > 4 * forgetAbove + 2 * this.#required.size) this.#log = this.#log.slice(this.#log.length >> 1);
    if (this.#required.size <= forgetAbove + present.size) return;
    for (const object of this.#required.keys()) {
      if (this.#required.size <= forgetAbove) return;
      if (!present.get(object)) this.#required.delete(object);
    }
  }
}
