import type { Event } from '../event.ts';
import { type DeepReadonly, type KubernetesObject, type ObjectName, objectName } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import type { EventListener } from '../source.ts';
import { type LabelSelector, matchesSelector } from './label-selector.ts';
import { type IndexFunction, ObjectIndex } from './object-index.ts';

/** Which objects to list; without a field, all. */
export interface ListOptions {
  /** Only objects of this namespace. */
  readonly namespace?: string;
  readonly labelSelector?: LabelSelector;
}

/** Hears of a function that threw: what it was for, and on which object. */
export type StoreErrorListener = (error: unknown, what: string, name: ObjectName) => void;

/**
 * The objects of one kind, written by one source and read by everyone. A read is a snapshot of nothing: it is the store's present
 * state, and objects are shared, so no reader may change one. Events go out in the order of the writes, after the write is visible.
 */
export class ObjectStore<T extends KubernetesObject = KubernetesObject> {
  readonly kind: ResourceKind<T>;
  readonly #objects = new Map<ObjectName, DeepReadonly<T>>();
  readonly #byNamespace = new ObjectIndex<T>((object) => [object.metadata.namespace]);
  readonly #indexes = new Map<string, ObjectIndex<T>>();
  readonly #listeners = new Set<EventListener<T>>();
  readonly #undelivered: { event: Event<T>; listeners: Iterable<EventListener<T>> }[] = [];
  readonly #synced = Promise.withResolvers<void>();
  readonly #onError: StoreErrorListener;
  #delivering = false;
  #hasSynced = false;
  #source: string | undefined;

  /** `onError` hears of listeners and index functions that throw; the others and the source are not disturbed. Default: nobody does. */
  constructor(kind: ResourceKind<T>, onError: StoreErrorListener = () => {}) {
    this.kind = kind;
    this.#onError = onError;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Who writes this store; undefined while nobody does: then a read finds nothing, and nobody is told anything. */
  get source(): string | undefined {
    return this.#source;
  }

  /** True once the source's first list is in. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get(name: ObjectName): DeepReadonly<T> | undefined {
    return this.#objects.get(name);
  }

  /** The matching objects, in no particular order. */
  list(options: ListOptions = {}): DeepReadonly<T>[] {
    const { namespace, labelSelector } = options;
    const objects = namespace === undefined ? this.#objects : this.#byNamespace.get(namespace);
    if (!objects) return [];
    if (!labelSelector) return [...objects.values()];
    return [...objects.values()].filter((object) => matchesSelector(labelSelector, object.metadata.labels));
  }

  /** The objects that the named index lists under the value, in no particular order. Throws if there is no such index. */
  byIndex(index: string, value: string): DeepReadonly<T>[] {
    const found = this.#indexes.get(index);
    if (!found) throw new Error(`the store of ${this.kind.kind} has no index "${index}"; add it with addIndex before it is read`);
    return [...(found.get(value)?.values() ?? [])];
  }

  /** Adds an index; objects already there are indexed at once. An object on which `valuesOf` throws is left out. Throws if the name is taken. */
  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    if (this.#indexes.has(name)) throw new Error(`the store of ${this.kind.kind} has an index "${name}" already`);
    const index = new ObjectIndex<T>((object) => {
      try {
        return [...valuesOf(object)];
      } catch (error) {
        this.#onError(error, `index "${name}"`, objectName(object));
        return [];
      }
    });
    for (const [key, object] of this.#objects) index.replace(key, undefined, object);
    this.#indexes.set(name, index);
  }

  /** Source only: says that it writes this store from now on. Throws if another one does: each would delete what the other brought. */
  claim(source: string): void {
    if (this.#source !== undefined)
      throw new Error(
        `the cache is filled with ${nameOfKind(this.kind)} by ${this.#source} already; ${source} cannot fill it too`,
      );
    this.#source = source;
  }

  /** Source only: the object is now so. Without effect if the present one has the same resource version. */
  apply(object: DeepReadonly<T>): void {
    const name = objectName(object);
    const objectOld = this.#objects.get(name);
    if (objectOld === undefined) {
      this.#put(name, undefined, object);
      this.#tell({ type: 'create', object, isInInitialList: !this.#hasSynced });
      return;
    }
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion === objectOld.metadata.resourceVersion) return;
    this.#put(name, objectOld, object);
    this.#tell({ type: 'update', objectOld, objectNew: object });
  }

  /** Source only: the object is gone. `deleteStateUnknown`: that was found by a re-list. Without effect if it is not there. */
  delete(name: ObjectName, deleteStateUnknown = false): void {
    const object = this.#objects.get(name);
    if (object === undefined) return;
    this.#put(name, object, undefined);
    this.#tell({ type: 'delete', object, deleteStateUnknown });
  }

  /** Source only: these are all objects there are. What is missing is deleted, and the store is synced from here on. */
  replace(objects: Iterable<DeepReadonly<T>>): void {
    const missing = new Set(this.#objects.keys());
    for (const object of objects) {
      missing.delete(objectName(object));
      this.apply(object);
    }
    for (const name of missing) this.delete(name, true);
    this.#hasSynced = true;
    this.#synced.resolve();
  }

  /** Resolves when the first list is in; rejects with the signal's reason if that aborts first. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    if (this.#hasSynced) return;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Tells the listener all objects present as creates of the first list, then every event. The returned function ends it. */
  subscribe(listener: EventListener<T>): () => void {
    // A wrapper of its own: the same function subscribed twice is two subscriptions.
    const own: EventListener<T> = (event) => listener(event);
    // What still waits to be delivered is in the snapshot already.
    const snapshot: Event<T>[] = [];
    for (const object of this.#objects.values()) snapshot.push({ type: 'create', object, isInInitialList: true });
    this.#listeners.add(own);
    for (const event of snapshot) this.#undelivered.push({ event, listeners: [own] });
    this.#deliver();
    return () => void this.#listeners.delete(own);
  }

  #put(name: ObjectName, objectOld: DeepReadonly<T> | undefined, objectNew: DeepReadonly<T> | undefined): void {
    if (objectNew === undefined) this.#objects.delete(name);
    else this.#objects.set(name, objectNew);
    this.#byNamespace.replace(name, objectOld, objectNew);
    for (const index of this.#indexes.values()) index.replace(name, objectOld, objectNew);
  }

  #tell(event: Event<T>): void {
    if (this.#listeners.size === 0) return;
    this.#undelivered.push({ event, listeners: [...this.#listeners] });
    this.#deliver();
  }

  /** A listener may write or subscribe: what that causes waits its turn, so that every listener hears one order. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let at = 0; at < this.#undelivered.length; at++) {
        const { event, listeners } = this.#undelivered[at]!;
        for (const listener of listeners) {
          if (!this.#listeners.has(listener)) continue;
          try {
            listener(event);
          } catch (error) {
            const object = event.type === 'update' ? event.objectNew : event.object;
            this.#onError(error, `listener of ${event.type}`, objectName(object));
          }
        }
      }
    } finally {
      this.#undelivered.length = 0;
      this.#delivering = false;
    }
  }
}

const nameOfKind = <T extends KubernetesObject>({ plural, group }: ResourceKind<T>): string =>
  group === '' ? plural : `${plural}.${group}`;
