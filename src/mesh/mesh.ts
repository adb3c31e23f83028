import { isDeepStrictEqual } from 'node:util';
import { AddressPool } from './address-pool.ts';
import type { EnvoyFilter } from './envoy-filter.ts';
import { EnvoyFilterIndex } from './envoy-filter-index.ts';
import { defaultMeshConfig, type MeshConfig } from './mesh-config.ts';
import { type ObjectKey, objectKey } from './object-key.ts';
import type { DeclaredService, Workload } from './service.ts';
import { ServiceRegistry } from './service-registry.ts';
import type { Sidecar } from './sidecar.ts';
import { SidecarIndex } from './sidecar-index.ts';
import { Verdicts } from './verdict.ts';

/** What an object means to the mesh: compiled once for each of its generations, immutable. */
export type Fragment = (
  | { readonly kind: 'services'; readonly services: readonly DeclaredService[] }
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'sidecar'; readonly sidecar: Sidecar }
  | { readonly kind: 'envoyFilter'; readonly envoyFilter: EnvoyFilter }
) & {
  /** The object has no status of its own (a Service, a Pod): where it touches nothing, nobody is told. Default: it has one. */
  readonly isUntracked?: boolean;
};

/** Stands for the mesh config where a change names its object. */
export const meshConfigKey: ObjectKey = objectKey('MeshConfig', '', 'mesh');

/** What one put or delete touched. Names, not contents: readers look at the mesh, which is consistent between turns. */
export interface Change {
  /** The mesh's revision after the change. */
  readonly revision: number;
  /** The object that was put or deleted, or {@link meshConfigKey}. */
  readonly object: ObjectKey;
  /** Hosts whose service, or choice of service, may differ now. */
  readonly hosts: ReadonlySet<string>;
  /** IP addresses at which a service's endpoint came, went or serves other ports: a proxy there may serve something else now. */
  readonly addresses: ReadonlySet<string>;
  /** Set when a Sidecar or EnvoyFilter came, went or changed: the namespace whose proxies it may be in force for (the root namespace: all). */
  readonly ruledNamespace?: string;
  /** The mesh config is another one: every proxy may be concerned. */
  readonly isConfigChanged: boolean;
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
  readonly services: ServiceRegistry;
  readonly sidecars = new SidecarIndex();
  readonly envoyFilters = new EnvoyFilterIndex();
  readonly verdicts = new Verdicts();
  readonly #fragments = new Map<ObjectKey, Fragment>();
  readonly #intakes = new Map<ObjectKey, Intake>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #now: () => number;
  #config: MeshConfig;
  #pools: ReadonlyMap<string, AddressPool>;
  #revision = 0;
  #touchedHosts = new Map<string, boolean>();
  #touchedAddresses = new Set<string>();

  /** @param now the clock by which intakes are stamped, in milliseconds */
  constructor(config: MeshConfig = defaultMeshConfig, now: () => number = Date.now) {
    this.#config = config;
    this.#now = now;
    this.#pools = poolsOf(config);
    this.services = new ServiceRegistry([...this.#pools.values()], {
      host: (hostname, endpointsOnly) => {
        this.#touchedHosts.set(hostname, endpointsOnly && (this.#touchedHosts.get(hostname) ?? true));
      },
      address: (address) => this.#touchedAddresses.add(address),
    });
  }

  get config(): MeshConfig {
    return this.#config;
  }

  /**
   * Puts another config in force; undefined where it says the same as the one before. Automatic addresses stay
   * as long as their pool does; where a pool is replaced, its hosts are given new ones.
   */
  setConfig(config: MeshConfig): Change | undefined {
    if (isDeepStrictEqual(config, this.#config)) return undefined;
    this.#config = config;
    const pools = poolsOf(config, this.#pools);
    const isMoved = [...pools.keys()].join() !== [...this.#pools.keys()].join();
    this.#pools = pools;
    if (isMoved) this.services.setPools([...pools.values()]);
    return this.#announce(meshConfigKey, { mayBeEndpointsOnly: false, isConfigChanged: true });
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
        break;
      case 'envoyFilter':
        this.envoyFilters.put(fragment.envoyFilter);
        break;
    }
    return this.#announceObject(key, fragment, before !== undefined);
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
        break;
      case 'envoyFilter':
        this.envoyFilters.delete(key);
        break;
    }
    const change = this.#announceObject(key, before, false);
    this.#intakes.delete(key);
    return change;
  }

  /**
   * Announces that another version of an object is in force for proxies than before, although the object is as it was: a trial that has
   * begun or ended. What was said of its intake stays.
   * @param ruledNamespace whose proxies may be concerned
   */
  announce(object: ObjectKey, ruledNamespace: string): Change {
    return this.#announce(object, { mayBeEndpointsOnly: false, ruledNamespace, isIntake: false });
  }

  get(key: ObjectKey): Fragment | undefined {
    return this.#fragments.get(key);
  }

  /** When the object's present meaning was taken in; undefined where it is not known, or has no status that could tell. */
  intake(key: ObjectKey): Intake | undefined {
    return this.#intakes.get(key);
  }

  /** Calls `listener` for each change, in the same turn. Returns the way out. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announceObject(object: ObjectKey, fragment: Fragment, isUpdate: boolean): Change {
    const { kind, isUntracked = false } = fragment;
    return this.#announce(object, {
      mayBeEndpointsOnly: isUpdate || kind === 'workload',
      isUntracked,
      ...(kind === 'sidecar' ? { ruledNamespace: fragment.sidecar.namespace } : {}),
      ...(kind === 'envoyFilter' ? { ruledNamespace: fragment.envoyFilter.namespace } : {}),
    });
  }

  #announce(
    object: ObjectKey,
    options: {
      readonly mayBeEndpointsOnly: boolean;
      readonly isUntracked?: boolean;
      readonly ruledNamespace?: string;
      readonly isConfigChanged?: boolean;
      readonly isIntake?: boolean;
    },
  ): Change {
    const { mayBeEndpointsOnly, isUntracked = false, ruledNamespace, isConfigChanged = false, isIntake = !isUntracked } = options;
    const [touched, addresses] = [this.#touchedHosts, this.#touchedAddresses];
    this.#touchedHosts = new Map();
    this.#touchedAddresses = new Set();
    const isSilent = isUntracked && !touched.size;
    if (!isSilent) this.#revision++;
    const change: Change = {
      revision: this.#revision,
      object,
      hosts: new Set(touched.keys()),
      addresses,
      ...(ruledNamespace === undefined ? {} : { ruledNamespace }),
      isConfigChanged,
      endpointsOnly: mayBeEndpointsOnly && touched.size > 0 && [...touched.values()].every(Boolean),
    };
    if (isSilent) return change;
    if (isIntake) this.#intakes.set(object, { revision: change.revision, atMs: this.#now() });
    for (const listener of this.#listeners) listener(change);
    return change;
  }
}

/** The pools of a config by CIDR: those already at work, and new ones. */
function poolsOf(
  { automaticAddresses: { ipv4, ipv6 } }: MeshConfig,
  known: ReadonlyMap<string, AddressPool> = new Map(),
): ReadonlyMap<string, AddressPool> {
  const cidrs = [ipv4, ipv6].filter((cidr) => cidr !== '');
  return new Map(cidrs.map((cidr) => [cidr, known.get(cidr) ?? new AddressPool(cidr)]));
}
