import { AddressPool } from './address-pool.ts';
import { defaultMeshConfig, type MeshConfig } from './mesh-config.ts';
import type { ObjectKey } from './object-key.ts';
import type { DeclaredService, Workload } from './service.ts';
import { ServiceRegistry } from './service-registry.ts';
import type { Sidecar } from './sidecar.ts';
import { SidecarIndex } from './sidecar-index.ts';
import { Verdicts } from './verdict.ts';

/** What an object means to the mesh: compiled once for each of its generations, immutable. */
export type Fragment =
  | { readonly kind: 'services'; readonly services: readonly DeclaredService[] }
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'sidecar'; readonly sidecar: Sidecar };

/** What one put or delete touched. Names, not contents: readers look at the mesh, which is consistent between turns. */
export interface Change {
  /** The mesh's revision after the change. */
  readonly revision: number;
  /** The object that was put or deleted. */
  readonly object: ObjectKey;
  /** Hosts whose service, or choice of service, may differ now. */
  readonly hosts: ReadonlySet<string>;
  /** Set when a Sidecar came, went or changed: the namespace whose scopes it may rule (the root namespace: every one). */
  readonly sidecarNamespace?: string;
  /** Nothing but endpoints changed. */
  readonly endpointsOnly: boolean;
}

/** When the mesh last took in an object, and which revision that made: what propagation is measured from. */
export interface Intake {
  readonly revision: number;
  readonly atMs: number;
}

/**
 * The model: what all objects together mean, kept incrementally. Reconcilers put fragments in, proxy classes read.
 * JavaScript runs one turn at a time, so a synchronous read is consistent without a lock or a copy.
 */
export class Mesh {
  readonly config: MeshConfig;
  readonly services: ServiceRegistry;
  readonly sidecars = new SidecarIndex();
  readonly verdicts = new Verdicts();
  readonly #fragments = new Map<ObjectKey, Fragment>();
  readonly #intakes = new Map<ObjectKey, Intake>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #now: () => number;
  #revision = 0;
  #touched = new Map<string, boolean>();

  /** @param now the clock by which intakes are stamped, in milliseconds */
  constructor(config: MeshConfig = defaultMeshConfig, now: () => number = Date.now) {
    this.config = config;
    this.#now = now;
    const { ipv4, ipv6 } = config.automaticAddresses;
    const pools = [ipv4, ipv6].filter((cidr) => cidr !== '').map((cidr) => new AddressPool(cidr));
    this.services = new ServiceRegistry(pools, (hostname, endpointsOnly) => {
      this.#touched.set(hostname, endpointsOnly && (this.#touched.get(hostname) ?? true));
    });
  }

  /** Counts the changes so far. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#fragments.size;
  }

  /** Takes in an object's new meaning, in place of what it meant before. */
  put(key: ObjectKey, fragment: Fragment): Change {
    const before = this.#fragments.get(key);
    this.#fragments.set(key, fragment);
    switch (fragment.kind) {
      case 'services':
        this.services.put(key, fragment.services);
        break;
      case 'workload':
        this.services.putWorkload(fragment.workload);
        break;
      case 'sidecar':
        this.sidecars.put(fragment.sidecar);
    }
    return this.#announce(key, fragment, before);
  }

  /** Forgets an object; undefined where it was not known. */
  delete(key: ObjectKey): Change | undefined {
    const before = this.#fragments.get(key);
    if (!before) return undefined;
    this.#fragments.delete(key);
    switch (before.kind) {
      case 'services':
        this.services.put(key, []);
        break;
      case 'workload':
        this.services.deleteWorkload(key, before.workload.namespace);
        break;
      case 'sidecar':
        this.sidecars.delete(key, before.sidecar.namespace);
    }
    const change = this.#announce(key, before, undefined);
    this.#intakes.delete(key);
    return change;
  }

  get(key: ObjectKey): Fragment | undefined {
    return this.#fragments.get(key);
  }

  /** When the object's present meaning was taken in. */
  intake(key: ObjectKey): Intake | undefined {
    return this.#intakes.get(key);
  }

  /** Calls `listener` for each change, in the same turn. Returns the way out. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(object: ObjectKey, fragment: Fragment, before: Fragment | undefined): Change {
    const hosts = this.#touched;
    this.#touched = new Map();
    const endpointsOnly =
      hosts.size > 0 && [...hosts.values()].every(Boolean) && (before !== undefined || fragment.kind === 'workload');
    const change: Change = {
      revision: ++this.#revision,
      object,
      hosts: new Set(hosts.keys()),
      ...(fragment.kind === 'sidecar' ? { sidecarNamespace: fragment.sidecar.namespace } : {}),
      endpointsOnly,
    };
    this.#intakes.set(object, { revision: change.revision, atMs: this.#now() });
    for (const listener of this.#listeners) listener(change);
    return change;
  }
}
