import { sleep } from '../abort.ts';
import { Backoff } from '../client/backoff.ts';
import { listPages } from '../client/list-pages.ts';
import type { RestClient } from '../client/rest-client.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { type DeepReadonly, type KubernetesObject, type ObjectName, objectName } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import type { LabelSelector } from './label-selector.ts';
import type { ObjectStore } from './object-store.ts';
import { isOlderVersion } from './resource-version.ts';

interface NamespaceScopeOptions<T extends KubernetesObject> {
  readonly kind: ResourceKind<T>;
  readonly rest: RestClient;
  readonly store: ObjectStore<T>;
  readonly labelSelector?: LabelSelector;
  readonly fieldSelector?: string;
  readonly keepsNamespace?: (namespace: string) => boolean;
  readonly pageSize?: number;
  /** What is kept of an object; undefined leaves it out. */
  readonly keep: (object: T) => DeepReadonly<T> | undefined;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * Which namespaces of a kind are kept, changing at run time: one that leaves takes its objects with it, one that joins is listed
 * beside the watch, which had passed over its objects until then. The list may be ahead of the watch or behind it: of two states of an
 * object the newer one stays, and what the watch saw deleted meanwhile does not come back.
 */
export class NamespaceScope<T extends KubernetesObject> {
  readonly #options: NamespaceScopeOptions<T>;
  readonly #clock: Clock;
  /** Each with a mark of its own: one that left and joined again is not the same. */
  readonly #joining = new Map<string, symbol>();
  /** Resource versions of what the watch saw deleted in namespaces that are joining. */
  readonly #deleted = new Map<ObjectName, string>();
  /** Those of them whose objects the list of all that is on its way brings. */
  readonly #covered = new Set<string>();
  /** Counts beginnings of lists of all: what was asked for before is out of date. */
  #lists = 0;
  #isListing = true;
  #wake: () => void = () => {};

  constructor(options: NamespaceScopeOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  keeps({ metadata: { namespace } }: { readonly metadata: { readonly namespace: string } }): boolean {
    return namespace === '' || (this.#options.keepsNamespace?.(namespace) ?? true);
  }

  /** These namespaces may have joined or left. */
  changed(namespaces: Iterable<string>): void {
    const { store, keepsNamespace } = this.#options;
    for (const namespace of namespaces) {
      this.#covered.delete(namespace);
      if (keepsNamespace?.(namespace) ?? true) {
        this.#joining.set(namespace, Symbol(namespace));
      } else {
        this.#joining.delete(namespace);
        for (const object of store.list({ namespace })) store.delete(objectName(object));
      }
    }
    this.#wake();
  }

  /** The watch saw the object deleted. */
  deleted(object: T): void {
    const { namespace, resourceVersion } = object.metadata;
    if (this.#joining.has(namespace) && resourceVersion !== undefined)
      this.#deleted.set(objectName(object as never), resourceVersion);
  }

  /** A list of all namespaces begins: it brings those that are kept by now. */
  beginList(): void {
    this.#lists++;
    this.#isListing = true;
    for (const namespace of this.#joining.keys()) this.#covered.add(namespace);
  }

  /** The list of all is in the store. */
  endList(): void {
    this.#isListing = false;
    for (const namespace of this.#covered) this.#joining.delete(namespace);
    this.#covered.clear();
    this.#wake();
  }

  /** Lists namespaces that join until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, random } = this.#options;
    const backoff = new Backoff({ baseMs: 800, maxMs: 30_000, random });
    while (!signal.aborted) {
      const [namespace] = this.#joining.keys();
      if (namespace === undefined || this.#isListing) {
        if (namespace === undefined) this.#deleted.clear();
        await this.#changes(signal);
        continue;
      }
      try {
        await this.#join(namespace, signal);
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('A namespace could not be listed; trying again', { namespace, error });
        this.#putLast(namespace);
        await sleep(this.#clock, backoff.next(), signal);
      }
    }
  }

  async #join(namespace: string, signal: AbortSignal): Promise<void> {
    const { rest, kind, store, labelSelector, fieldSelector, pageSize, keep } = this.#options;
    const [lists, mark] = [this.#lists, this.#joining.get(namespace)];
    const objects: T[] = [];
    const options = { namespace, labelSelector, fieldSelector, pageSize, signal };
    for await (const page of listPages<T>(rest, kind, options)) objects.push(...page.items);
    // It left meanwhile, or a list of all brings it.
    if (signal.aborted || mark !== this.#joining.get(namespace) || lists !== this.#lists) return;
    for (const object of objects) {
      const name = objectName(object);
      const { resourceVersion } = object.metadata;
      const present = store.get(name)?.metadata.resourceVersion;
      if (resourceVersion === present || isOlderVersion(resourceVersion, present)) continue;
      if (isOlderVersion(resourceVersion, this.#deleted.get(name))) continue;
      const kept = keep(object);
      if (kept) store.apply(kept);
    }
    this.#joining.delete(namespace);
  }

  /** One that fails again and again holds up no other. */
  #putLast(namespace: string): void {
    const mark = this.#joining.get(namespace);
    if (mark === undefined) return;
    this.#joining.delete(namespace);
    this.#joining.set(namespace, mark);
  }

  async #changes(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    if (!signal.aborted) await promise;
    signal.removeEventListener('abort', onAbort);
  }
}
