import type { Resource } from '../../envoy/resource.ts';
import type { ResourceTable } from '../resource-table.ts';

/** What a holder of all of one table needs in order to hold another. */
export interface TableComparison {
  /** Names whose bytes differ, or that are new. */
  readonly changed: readonly string[];
  readonly removed: readonly Resource[];
}

/** Compares two classes' tables by version. Costs both sizes; many proxies that move together share one comparison. */
export function compareTables(from: ResourceTable, to: ResourceTable): TableComparison {
  const changed: string[] = [];
  for (const resource of to.values()) if (from.get(resource.name)?.version !== resource.version) changed.push(resource.name);
  const removed: Resource[] = [];
  for (const resource of from.values()) if (!to.get(resource.name)) removed.push(resource);
  return { changed, removed };
}
