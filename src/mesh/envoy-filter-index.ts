import type { EnvoyFilter } from './envoy-filter.ts';
import type { ObjectKey } from './object-key.ts';
import { selects } from './service.ts';

/** EnvoyFilters by namespace, each namespace in the order of application: kept in place, a change costs its own namespace. */
export class EnvoyFilterIndex {
  readonly #byKey = new Map<ObjectKey, EnvoyFilter>();
  readonly #byNamespace = new Map<string, EnvoyFilter[]>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: ObjectKey): EnvoyFilter | undefined {
    return this.#byKey.get(key);
  }

  /** Takes a filter in, in place of its earlier version. */
  put(filter: EnvoyFilter): void {
    this.delete(filter.key);
    this.#byKey.set(filter.key, filter);
    const siblings = this.#byNamespace.get(filter.namespace);
    if (siblings) siblings.splice(placeOf(filter, siblings), 0, filter);
    else this.#byNamespace.set(filter.namespace, [filter]);
  }

  delete(key: ObjectKey): void {
    const filter = this.#byKey.get(key);
    if (!filter) return;
    this.#byKey.delete(key);
    const siblings = this.#byNamespace.get(filter.namespace)!;
    siblings.splice(siblings.indexOf(filter), 1);
    if (!siblings.length) this.#byNamespace.delete(filter.namespace);
  }

  /**
   * The filters that are in force for a sidecar, in the order of application: those of the root namespace first, then its own namespace's,
   * each by priority, creation time and name. A filter with `targetRefs` is in force for none (Istio: gateways and waypoints only).
   */
  select(namespace: string, labels: Readonly<Record<string, string>>, rootNamespace: string): EnvoyFilter[] {
    const found: EnvoyFilter[] = [];
    for (const each of namespace === rootNamespace ? [namespace] : [rootNamespace, namespace]) {
      for (const filter of this.#byNamespace.get(each) ?? []) if (selectsWorkload(filter, labels)) found.push(filter);
    }
    return found;
  }

  /** Every filter of a namespace, in the order of application. */
  inNamespace(namespace: string): readonly EnvoyFilter[] {
    return this.#byNamespace.get(namespace) ?? [];
  }

  /** Every filter, in no particular order. */
  values(): IterableIterator<EnvoyFilter> {
    return this.#byKey.values();
  }
}

/** Whether a filter is in force for a sidecar with these labels, where the sidecar's namespace is not in question. */
export function selectsWorkload(filter: EnvoyFilter, labels: Readonly<Record<string, string>>): boolean {
  return !filter.hasTargetRefs && (!filter.workloadSelector || selects(filter.workloadSelector, labels));
}

/** The order of application within a namespace: smaller priority first, then the older, then by name (Istio). */
export function compareEnvoyFilters(a: EnvoyFilter, b: EnvoyFilter): number {
  return a.priority - b.priority || a.createdAtMs - b.createdAtMs || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

function placeOf(filter: EnvoyFilter, siblings: readonly EnvoyFilter[]): number {
  let [low, high] = [0, siblings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareEnvoyFilters(siblings[middle]!, filter) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
