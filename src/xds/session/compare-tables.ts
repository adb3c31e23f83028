import type { Resource, TypeUrl } from '../../envoy/resource.ts';
import type { ProxyClass } from '../proxy-class.ts';
import type { ResourceTable, TableComparison } from '../resource-table.ts';

/** Compares two classes' tables by version. Costs both sizes. */
function compareTables(from: ResourceTable, to: ResourceTable): TableComparison {
  const changed: string[] = [];
  for (const resource of to.values()) if (from.get(resource.name)?.version !== resource.version) changed.push(resource.name);
  const removed: Resource[] = [];
  for (const resource of from.values()) if (!to.get(resource.name)) removed.push(resource);
  return { changed, removed };
}

/** Comparisons of classes' tables: many proxies that move together share them. For as long as no table changes. */
export class Comparisons {
  readonly #known = new Map<ProxyClass, Map<ProxyClass, Map<TypeUrl, TableComparison>>>();

  compare(from: ProxyClass, to: ProxyClass, typeUrl: TypeUrl): TableComparison {
    const ofFrom = this.#known.get(from) ?? new Map<ProxyClass, Map<TypeUrl, TableComparison>>();
    this.#known.set(from, ofFrom);
    const comparisons = ofFrom.get(to) ?? new Map<TypeUrl, TableComparison>();
    ofFrom.set(to, comparisons);
    let comparison = comparisons.get(typeUrl);
    if (!comparison) {
      comparison = from.compare?.(to, typeUrl) ?? compareTables(from.table(typeUrl), to.table(typeUrl));
      comparisons.set(typeUrl, comparison);
    }
    return comparison;
  }
}
