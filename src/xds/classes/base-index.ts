import type { ClassBase } from './class-base.ts';
import type { PatchedClass } from './patched-class.ts';

/** A base, and the classes that stand on it. */
export interface BaseEntry {
  readonly base: ClassBase;
  readonly classes: Set<PatchedClass>;
}

/** Stands for every namespace in a base's reach. */
export const everyNamespace = '*';

/**
 * The bases by the namespaces whose objects may have a part in them, so that a change asks those only. What a base once reached it goes on
 * being found by: what it has dropped of it may not have been acknowledged yet.
 */
export class BaseIndex {
  readonly #reaches = new Map<BaseEntry, Set<string>>();
  readonly #byNamespace = new Map<string, Set<BaseEntry>>();

  /** Takes a base in, or more of what it reaches. */
  add(entry: BaseEntry): void {
    const reach = this.#reaches.get(entry) ?? new Set();
    this.#reaches.set(entry, reach);
    for (const namespace of entry.base.reach()) {
      reach.add(namespace);
      const entries = this.#byNamespace.get(namespace);
      if (entries) entries.add(entry);
      else this.#byNamespace.set(namespace, new Set([entry]));
    }
  }

  remove(entry: BaseEntry): void {
    for (const namespace of this.#reaches.get(entry) ?? []) {
      const entries = this.#byNamespace.get(namespace);
      if (entries?.delete(entry) && !entries.size) this.#byNamespace.delete(namespace);
    }
    this.#reaches.delete(entry);
  }

  /** The bases in which objects of the namespaces may have a part. */
  reaching(namespaces: Iterable<string>): Set<BaseEntry> {
    const found = new Set(this.#byNamespace.get(everyNamespace));
    for (const namespace of namespaces) for (const entry of this.#byNamespace.get(namespace) ?? []) found.add(entry);
    return found;
  }
}
