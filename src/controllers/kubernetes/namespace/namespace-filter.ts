import type { Namespace } from '../../../api/kubernetes/namespace.ts';
import type { Mesh } from '../../../mesh/mesh.ts';
import { matchesSelector } from '../../../runtime/cache/label-selector.ts';
import type { ObjectStore } from '../../../runtime/cache/object-store.ts';

/** What {@link NamespaceFilter.onChange} tells. */
export interface NamespaceChange {
  /** The known namespaces that took part and do no longer, or the other way round: what a source is to drop or to fetch. */
  readonly namespaces: ReadonlySet<string>;
  /** The selectors themselves are others: objects of namespaces that are not known may be concerned too. */
  readonly isSelectorChange: boolean;
}

/**
 * Which namespaces take part in the mesh: those that one of the mesh config's `discoverySelectors` matches, all if there is none.
 * Follows labels and selectors as they change. A namespace that is not known takes no part as long as there are selectors;
 * until the namespaces' first list is in, nothing is known, and every one does.
 */
export class NamespaceFilter {
  readonly #store: ObjectStore<Namespace>;
  readonly #mesh: Mesh;
  /** Those that the selectors match; none without selectors. */
  readonly #matched = new Set<string>();
  readonly #listeners = new Set<(change: NamespaceChange) => void>();
  readonly #unsubscribe: (() => void)[];
  readonly #closed = new AbortController();
  #selectors: Mesh['config']['discoverySelectors'];

  /**
   * @param store the namespaces
   * @param mesh whose config has the selectors; the filter follows {@link Mesh.setConfig}
   */
  constructor(store: ObjectStore<Namespace>, mesh: Mesh) {
    this.#store = store;
    this.#mesh = mesh;
    this.#selectors = mesh.config.discoverySelectors;
    this.#unsubscribe = [
      store.subscribe((event) => this.#follow((event.type === 'update' ? event.objectNew : event.object).metadata.name)),
      mesh.onChange(({ isConfigChanged }) => {
        if (isConfigChanged) this.#readSelectors();
      }),
    ];
    if (!store.hasSynced) {
      store.waitForSync(this.#closed.signal).then(
        () => this.#leaveOutUnmatched(),
        () => {},
      );
    }
  }

  /** Whether objects of a namespace count. Cluster-scoped objects, whose namespace is empty, always do. */
  includes(namespace: string): boolean {
    if (namespace === '' || this.#selectors.length === 0 || !this.#store.hasSynced) return true;
    return this.#matched.has(namespace);
  }

  /** Resolves when the namespaces' first list is in; rejects with the signal's reason if that aborts first. */
  waitForSync(signal: AbortSignal): Promise<void> {
    return this.#store.waitForSync(signal);
  }

  /** Calls `listener` after namespaces have come or gone; {@link includes} already says what holds now. Returns the way out. */
  onChange(listener: (change: NamespaceChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows no more changes. */
  close(): void {
    this.#closed.abort();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#listeners.clear();
  }

  #follow(namespace: string): void {
    if (this.#match(namespace) && this.#store.hasSynced) this.#tell([namespace]);
  }

  #leaveOutUnmatched(): void {
    const names = this.#store.list().map(({ metadata }) => metadata.name);
    this.#tell(names.filter((name) => !this.includes(name)));
  }

  #readSelectors(): void {
    const { discoverySelectors } = this.#mesh.config;
    if (JSON.stringify(discoverySelectors) === JSON.stringify(this.#selectors)) return;
    const names = this.#store.list().map(({ metadata }) => metadata.name);
    const before = new Set(names.filter((name) => this.includes(name)));
    this.#selectors = discoverySelectors;
    for (const name of names) this.#match(name);
    this.#tell(
      names.filter((name) => before.has(name) !== this.includes(name)),
      true,
    );
  }

  /** Notes whether the selectors match a namespace now; answers whether that is new. */
  #match(namespace: string): boolean {
    const object = this.#store.get(namespace);
    const isMatched =
      object !== undefined && this.#selectors.some((selector) => matchesSelector(selector, object.metadata.labels));
    if (isMatched === this.#matched.has(namespace)) return false;
    if (isMatched) this.#matched.add(namespace);
    else this.#matched.delete(namespace);
    return true;
  }

  #tell(namespaces: Iterable<string>, isSelectorChange = false): void {
    const change: NamespaceChange = { namespaces: new Set(namespaces), isSelectorChange };
    if (!change.namespaces.size && !isSelectorChange) return;
    for (const listener of this.#listeners) listener(change);
  }
}
