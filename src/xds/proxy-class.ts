import type { Resource, TypeUrl } from '../envoy/resource.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import type { ResourceTable, TableComparison } from './resource-table.ts';

/** What one object needs of each proxy in a class before its present generation counts as acknowledged there. */
export interface ObjectFootprint {
  /** Resources that derive from the object now, by type. A type whose last resource was removed stays, empty, while `required` is unmet. */
  readonly names: ReadonlyMap<TypeUrl, ReadonlySet<string>>;
  /** By type, the class revision at which the object's own change last altered bytes or removed a resource. */
  readonly required: ReadonlyMap<TypeUrl, number>;
  /** A newer version of the object is on trial with other proxies: every member waits for it, whatever it has acknowledged. */
  readonly isAwaiting?: boolean;
}

/** What became of an EnvoyFilter's patches, over the classes that it is in force in. Status tells from it what matched nothing. */
export interface PatchReport {
  /** Classes in which at least one of its patches may be in force for the proxies; 0: it selects proxies, and none of its patches fits them. */
  readonly classes: number;
  /** By their index: patches that matched at least one resource of a class. Never those of a proxy's bootstrap. */
  readonly matched: ReadonlySet<number>;
  /** By their index: patches that threw where they were applied and so have no effect there, with the first one's message. */
  readonly failed: ReadonlyMap<number, string>;
}

/**
 * All proxies that get identical configuration: same namespace, Sidecar, address families, inbound services, EnvoyFilters.
 * Its tables are computed when its first proxy connects, patched in place, dropped with its last.
 */
export interface ProxyClass {
  /**
   * Unique among living classes and stable over restarts: names what the members have in common. A class whose members all get other
   * EnvoyFilters at once goes on under another key.
   */
  readonly key: string;
  /** The mesh revision that the tables reflect. */
  readonly revision: number;
  /** The object that shaped the class as a whole, its Sidecar: behind every resource that its footprint names. */
  readonly sidecarKey?: ObjectKey;
  table(typeUrl: TypeUrl): ResourceTable;
  /** Which version of an EnvoyFilter holds for the members (`EnvoyFilter.version`); undefined: none. Default: no filter holds. */
  filterVersion?(filter: ObjectKey): string | undefined;
  /** No endpoints under that name: what a variant that cannot tell of removals is answered for a cluster that is gone. */
  emptyEndpoints(name: string): Resource;
  /** What an object contributes here; undefined: nothing (it does not affect this class's proxies). */
  footprint(object: ObjectKey): ObjectFootprint | undefined;
  /** When an object's own change last altered resources of a type here, as a revision: the latest is the first suspect where one is refused; -1: unknown. */
  changedAt(object: ObjectKey, typeUrl: TypeUrl): number;
  /** The objects whose `required` rose above `revision`, for telling whose counters an ACK may have moved. */
  objectsRequiredSince(revision: number): Iterable<ObjectKey>;
  /** How another class's table of a type differs from this one's, where the two know it without comparing all of it. */
  compare?(to: ProxyClass, typeUrl: TypeUrl): TableComparison | undefined;
}

/** How soon a change must leave: endpoint changes are never held back by debouncing. */
export type Urgency = 'endpoints' | 'configuration';

/** What {@link ProxyClasses.refresh} did. */
export interface Refresh {
  /** The classes in which at least one resource changed or went. */
  readonly changed: readonly ProxyClass[];
  /** Proxies that belong to another class now (a Sidecar, an EnvoyFilter, the workload's services): they have to {@link ProxyClasses.join} it. */
  readonly moved: readonly ProxyNode[];
  /** Objects put or deleted since the refresh before, and those that came to have a part in a class, or lost it, by another one's change. */
  readonly objects: ReadonlySet<ObjectKey>;
}

/** The classes that connected proxies need, kept in step with the mesh. Everything is synchronous. */
export interface ProxyClasses {
  /** The mesh's revision now; `refresh` brings every class up to it. */
  readonly meshRevision: number;
  /** Puts a proxy into its class (computed now if it is the first); pair each call with {@link leave}. */
  join(node: ProxyNode): ProxyClass;
  /** Takes a proxy out of a class that `join` answered for the same node (the same object). */
  leave(proxyClass: ProxyClass, node: ProxyNode): void;
  /** The key of the class that `join` would answer now; differs from the present one's after a membership change. */
  classKeyOf(node: ProxyNode): string;
  /** What is known of a proxy has changed, its labels: with the next refresh it belongs where it belongs now. */
  reconsider(node: ProxyNode): void;
  /** Calls `listener` for each change of the mesh, and of a proxy, at once, before any class has been brought up to it. Returns the way out. */
  onChange(listener: (urgency: Urgency) => void): () => void;
  /** Patches every class affected by the changes since the last call. Cost follows the changes, not the mesh. */
  refresh(): Refresh;
  /** The classes that an object may have a footprint in: those that have one, and others. Cost follows their number. */
  concerning(object: ObjectKey): Iterable<ProxyClass>;
  /** Whether a proxy of the class would be given other bytes than now in the class that it belongs to now, whatever else waits for a refresh. */
  wouldChange(proxyClass: ProxyClass, node: ProxyNode): boolean;
  /**
   * What became of the patches of an EnvoyFilter's newest version, as of the last refresh; undefined: nobody gets it who is connected. Of another
   * version nothing is told: its indexes name other patches.
   */
  patchReport(filter: ObjectKey): PatchReport | undefined;
}
