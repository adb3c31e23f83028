import type { Logger } from '../logger.ts';
import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import { ObjectStore } from './object-store.ts';

/** The stores of all kinds: what sources write and reconcilers read. */
export class Cache {
  readonly #stores = new Map<string, ObjectStore<never>>();
  readonly #logger: Logger | undefined;

  /** `logger` is told of listeners and index functions that throw. */
  constructor(options: { readonly logger?: Logger } = {}) {
    this.#logger = options.logger;
  }

  /** The store of the kind, made on first use. Versions of one kind share a store. */
  store<T extends KubernetesObject>(kind: ResourceKind<T>): ObjectStore<T> {
    let store = this.find(kind);
    if (!store) {
      store = new ObjectStore<T>(kind, (error, what, object) => {
        this.#logger?.error('A function given to the cache failed', { error, what, kind: kind.kind, object });
      });
      this.#stores.set(keyOf(kind), store as unknown as ObjectStore<never>);
    }
    return store;
  }

  /** The store of the kind; undefined if nobody has asked {@link store} for it. */
  find<T extends KubernetesObject>(kind: ResourceKind<T>): ObjectStore<T> | undefined {
    return this.#stores.get(keyOf(kind)) as ObjectStore<T> | undefined;
  }

  /** Resolves when every store that was asked for so far is synced; rejects with the signal's reason if that aborts first. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    for (const store of [...this.#stores.values()]) await store.waitForSync(signal);
  }
}

const keyOf = <T extends KubernetesObject>({ group, kind }: ResourceKind<T>): string => `${group}/${kind}`;
