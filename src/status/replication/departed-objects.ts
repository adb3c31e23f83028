import type { Mesh } from '../../mesh/mesh.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { Ledger } from '../../xds/ledger.ts';

/** Deleted objects that are remembered, at most: the oldest are forgotten first. */
const departedAtMost = 10_000;

/**
 * Objects that have left the mesh while proxies may still have something of them. A new leader hears of these from nobody else:
 * it would let go of an object that a proxy of this replica still has.
 */
export class DepartedObjects {
  readonly #ledger: Pick<Ledger, 'propagation'>;
  readonly #keys = new Set<ObjectKey>();
  readonly #unsubscribe: () => void;

  constructor(mesh: Mesh, ledger: Pick<Ledger, 'propagation'>) {
    this.#ledger = ledger;
    this.#unsubscribe = mesh.verdicts.onChange((key) => {
      this.#keys.delete(key);
      if (!mesh.verdicts.get(key)) this.#add(key);
    });
  }

  /** The earliest departed first. */
  keys(): Iterable<ObjectKey> {
    return this.#keys.keys();
  }

  /** No proxy has anything of it any more, and the leader knows. */
  forget(key: ObjectKey): void {
    this.#keys.delete(key);
  }

  /** Remembers nothing more. */
  close(): void {
    this.#unsubscribe();
  }

  #add(key: ObjectKey): void {
    this.#keys.add(key);
    if (this.#keys.size <= departedAtMost) return;
    for (const each of this.#keys) if (this.#ledger.propagation(each).affected === 0) this.#keys.delete(each);
    for (const oldest of this.#keys) {
      // Far below the limit, so that not every deletion looks at all of them.
      if (this.#keys.size <= departedAtMost / 2) break;
      this.#keys.delete(oldest);
    }
  }
}
