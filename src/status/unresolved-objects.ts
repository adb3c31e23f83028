import type { ObjectKey } from '../mesh/object-key.ts';

/** Objects that miss something they refer to, by the reason of their condition `ResolvedRefs`. */
export class UnresolvedObjects {
  readonly #reasons = new Map<ObjectKey, string>();
  readonly #byReason = new Map<string, Set<ObjectKey>>();

  /** @param reason undefined: nothing is missing any more */
  set(key: ObjectKey, reason: string | undefined): void {
    const before = this.#reasons.get(key);
    if (before === reason) return;
    if (before !== undefined) this.#byReason.get(before)!.delete(key);
    if (reason === undefined) {
      this.#reasons.delete(key);
      return;
    }
    this.#reasons.set(key, reason);
    const keys = this.#byReason.get(reason);
    if (keys) keys.add(key);
    else this.#byReason.set(reason, new Set([key]));
  }

  /** The objects by each reason that there is. */
  byReason(): ReadonlyMap<string, ReadonlySet<ObjectKey>> {
    return this.#byReason;
  }

  clear(): void {
    this.#reasons.clear();
    this.#byReason.clear();
  }
}
