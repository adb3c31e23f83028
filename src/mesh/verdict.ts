import type { Finding } from '../api/finding.ts';
import type { ObjectKey } from './object-key.ts';

/** What became of one generation of an object when it was read: before any proxy has seen it. */
export interface Verdict {
  readonly generation: number;
  /** Tells the object from another one that had its name before; undefined where the source gives none. */
  readonly uid?: string | undefined;
  /** `invalid`: the last good generation, if there is one, stays in force. `unsupported`: legal, but not something Weft does. */
  readonly outcome: 'accepted' | 'invalid' | 'unsupported';
  readonly findings: readonly Finding[];
  /** The generation that is in force in the mesh; undefined: none is. */
  readonly generationInForce: number | undefined;
}

/** The latest verdict on each object. Written by reconcilers, read for status. */
export class Verdicts {
  readonly #verdicts = new Map<ObjectKey, Verdict>();
  readonly #listeners = new Set<(key: ObjectKey) => void>();

  set(key: ObjectKey, verdict: Verdict): void {
    this.#verdicts.set(key, verdict);
    for (const listener of this.#listeners) listener(key);
  }

  delete(key: ObjectKey): void {
    if (this.#verdicts.delete(key)) for (const listener of this.#listeners) listener(key);
  }

  get(key: ObjectKey): Verdict | undefined {
    return this.#verdicts.get(key);
  }

  /** Every object that has been judged. */
  keys(): IterableIterator<ObjectKey> {
    return this.#verdicts.keys();
  }

  /** Calls `listener` for each object whose verdict changed. Returns the way out. */
  onChange(listener: (key: ObjectKey) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
