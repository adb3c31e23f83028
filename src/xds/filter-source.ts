import type { EnvoyFilter } from '../mesh/envoy-filter.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import type { ProxyNode } from '../mesh/proxy.ts';

/** The EnvoyFilters that hold for one proxy. */
export interface FilterSelection {
  /** In the order of application, each in the version that the proxy is to have. */
  readonly filters: readonly EnvoyFilter[];
  /**
   * Filters that have a newer version which would hold for this proxy, or no longer hold, once its trial with other proxies has succeeded:
   * until then the proxy counts as pending for them. Each key once, in any order.
   */
  readonly awaiting: readonly ObjectKey[];
}

/**
 * Says which version of which EnvoyFilter holds for a proxy. An answer stays the same until the mesh announces a change of the proxy's
 * namespace or the root namespace (`Change.ruledNamespace`) or of its config; a source that changes its mind for reasons of its own
 * says so with `Mesh.announce`. Asked for each proxy concerned by a change, so it must not cost more than the filters of two namespaces.
 */
export interface FilterSource {
  select(node: ProxyNode): FilterSelection;
}

/** Which EnvoyFilters hold for a pod that has yet to start: none in quarantine, none on trial. */
export type PodFilters = (namespace: string, labels: Readonly<Record<string, string>>) => readonly EnvoyFilter[];

/** Straight from the mesh: the newest version holds for everyone at once. */
export function filtersOf(mesh: Mesh): FilterSource {
  return {
    select({ namespace, labels }) {
      return { filters: mesh.envoyFilters.select(namespace, labels, mesh.config.rootNamespace), awaiting: noKeys };
    },
  };
}

const noKeys: readonly ObjectKey[] = [];
