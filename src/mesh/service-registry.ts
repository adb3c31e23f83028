import ipaddr from 'ipaddr.js';
import { AddressClaims, anyAddress, type LostAddress } from './address-claims.ts';
import type { AddressPool } from './address-pool.ts';
import { AliasIndex } from './alias-index.ts';
import { EndpointIndex } from './endpoint-index.ts';
import { HostIndex } from './host-index.ts';
import type { ObjectKey } from './object-key.ts';
import {
  comparePrecedence,
  type DeclaredService,
  type Endpoint,
  endpointAddresses,
  isWildcard,
  listenerProtocol,
  type Service,
  type ServiceSpec,
  selects,
  type Workload,
} from './service.ts';
import { isVisibleTo, overlap } from './visibility.ts';
import { WorkloadIndex } from './workload-index.ts';

/** What became of one host of an object: for its status. */
export interface HostOutcome {
  readonly hostname: string;
  readonly service: Service;
  /** The service that holds the host, and whether this one still serves its own namespace. */
  readonly lostHost?: { readonly winner: ServiceSpec; readonly servesOwnNamespace: boolean };
  readonly lostAddresses: readonly LostAddress[];
  /** It wanted automatic addresses and a pool had none left. */
  readonly isExhausted: boolean;
}

/** Told of what an intake touches. */
export interface Touches {
  /** The host's service, or choice of service, may have changed. */
  host(hostname: string, endpointsOnly: boolean): void;
  /** A service has an endpoint there that it had not, has none any more, or has other ports there. */
  address(address: string): void;
}

interface Entry {
  readonly spec: ServiceSpec;
  declaredEndpoints: readonly Endpoint[];
  service: Service;
}

/** Every service of the mesh by host, with endpoints, automatic addresses and claims kept up to date in place. */
export class ServiceRegistry {
  /** By host, in the order of precedence. */
  readonly #byHost = new Map<string, Entry[]>();
  readonly #byNamespace = new HostIndex();
  readonly #byOwner = new Map<ObjectKey, readonly ServiceSpec[]>();
  readonly #entries = new Map<ServiceSpec, Entry>();
  readonly #workloads = new WorkloadIndex();
  readonly #aliases = new AliasIndex();
  readonly #endpoints = new EndpointIndex();
  readonly #claims = new AddressClaims();
  #pools: readonly AddressPool[];
  /** Hosts that found a pool exhausted. */
  readonly #waiting = new Set<string>();
  readonly #touches: Touches;
  readonly #workloadListeners = new Set<(namespace: string) => void>();

  constructor(pools: readonly AddressPool[], touches: Touches) {
    this.#pools = pools;
    this.#touches = touches;
  }

  /** Gives addresses from other pools from now on. A pool that was among the ones before keeps what it has given. */
  setPools(pools: readonly AddressPool[]): void {
    this.#pools = pools;
    this.#waiting.clear();
    for (const entries of this.#byHost.values()) {
      for (const entry of entries) if (entry.spec.wantsAddresses) this.#settle(entry);
    }
  }

  /** Replaces all services of one object; an empty list removes them. */
  put(owner: ObjectKey, services: readonly DeclaredService[]): void {
    const before = new Map((this.#byOwner.get(owner) ?? []).map((spec) => [spec.hostname, spec]));
    const kept = new Set<ServiceSpec>();
    const added: DeclaredService[] = [];
    for (const declared of services) {
      const earlier = before.get(declared.spec.hostname);
      if (earlier && isSameSpec(earlier, declared.spec)) {
        kept.add(earlier);
        this.#moveEndpoints(this.#entries.get(earlier)!, declared.endpoints);
      } else added.push(declared);
    }
    for (const spec of before.values()) if (!kept.has(spec)) this.#remove(spec);
    const specs = [...kept, ...added.map(({ spec }) => spec)];
    if (specs.length) this.#byOwner.set(owner, specs);
    else this.#byOwner.delete(owner);
    for (const declared of added) this.#add(declared);
    for (const hostname of before.keys()) this.#releaseAddresses(hostname);
  }

  putWorkload(workload: Workload): void {
    this.#workloadChanged(this.#workloads.put(workload), workload);
  }

  deleteWorkload(key: ObjectKey, namespace: string): void {
    this.#workloadChanged(this.#workloads.delete(key, namespace), undefined);
  }

  /**
   * Istio's choice for one namespace among the services of a host: the namespace's own first, then Kubernetes Services,
   * then the oldest it sees.
   */
  choose(hostname: string, namespace: string, accepts: (spec: ServiceSpec) => boolean = () => true): Service | undefined {
    let choice: Service | undefined;
    for (const { spec, service } of this.#byHost.get(hostname) ?? []) {
      if (!isVisibleTo(spec, namespace) || !accepts(spec)) continue;
      if (spec.namespace === namespace) return service;
      choice ??= service;
    }
    return choice;
  }

  /** Every host known to the mesh. */
  hosts(): IterableIterator<string> {
    return this.#byHost.keys();
  }

  /** The hosts that have a service in this namespace. */
  hostsIn(namespace: string): Iterable<string> {
    return this.#byNamespace.in(namespace);
  }

  /** The services that have an endpoint at this address. */
  *servicesAt(address: string): Generator<Service> {
    for (const spec of this.#endpoints.at(address)) yield this.#entries.get(spec)!.service;
  }

  /** Every service of a host, in the order of precedence. */
  servicesOf(hostname: string): Service[] {
    return (this.#byHost.get(hostname) ?? []).map((entry) => entry.service);
  }

  /** What an object declares, by host. */
  specsOf(owner: ObjectKey): readonly ServiceSpec[] {
    return this.#byOwner.get(owner) ?? [];
  }

  /** The services whose selector picks a workload. */
  selecting(workload: Workload): ServiceSpec[] {
    return this.#workloads.selecting(workload);
  }

  /** The workloads of a namespace, as far as objects tell of them: pods and WorkloadEntries. */
  workloadsIn(namespace: string): Iterable<Workload> {
    return this.#workloads.in(namespace);
  }

  /** Calls `listener` with a namespace in which a workload came, went or got other labels. Returns the way out. */
  onWorkloads(listener: (namespace: string) => void): () => void {
    this.#workloadListeners.add(listener);
    return () => this.#workloadListeners.delete(listener);
  }

  /** What became of each host of an object. */
  outcomes(owner: ObjectKey): HostOutcome[] {
    return (this.#byOwner.get(owner) ?? []).map((spec) => {
      const { service } = this.#entries.get(spec)!;
      const rivals = this.#byHost.get(spec.hostname)!.map((entry) => entry.spec);
      const before = rivals.slice(0, rivals.indexOf(spec));
      const sibling = before.find((other) => other.namespace === spec.namespace && overlap(other, spec));
      const winner = sibling ?? before.find((other) => overlap(other, spec));
      return {
        hostname: spec.hostname,
        service,
        ...(winner ? { lostHost: { winner, servesOwnNamespace: !sibling } } : {}),
        lostAddresses: this.#claims.lost(spec),
        isExhausted: spec.wantsAddresses && service.automaticAddresses.length < this.#pools.length,
      };
    });
  }

  #add({ spec, endpoints }: DeclaredService): void {
    const rivals = this.#claims.add(spec);
    const entry: Entry = {
      spec,
      declaredEndpoints: endpoints,
      service: { spec, endpoints: [], automaticAddresses: [], aliases: [], lostAddresses: noAddresses },
    };
    this.#entries.set(spec, entry);
    const siblings = this.#byHost.get(spec.hostname) ?? [];
    siblings.push(entry);
    siblings.sort((a, b) => comparePrecedence(a.spec, b.spec));
    this.#byHost.set(spec.hostname, siblings);
    this.#byNamespace.add(spec.namespace, spec.hostname);
    if (spec.workloadSelector) this.#workloads.addSelecting(spec);
    this.#settle(entry);
    for (const rival of rivals) this.#settleSpec(rival);
    if (spec.aliasOf !== undefined) for (const hostname of this.#aliases.add(spec)) this.#settleHost(hostname);
  }

  #remove(spec: ServiceSpec): void {
    const entry = this.#entries.get(spec)!;
    this.#indexEndpoints(spec, entry.service.endpoints, []);
    this.#entries.delete(spec);
    const rest = this.#byHost.get(spec.hostname)!.filter((sibling) => sibling !== entry);
    if (rest.length) this.#byHost.set(spec.hostname, rest);
    else this.#byHost.delete(spec.hostname);
    this.#byNamespace.remove(spec.namespace, spec.hostname);
    if (spec.workloadSelector) this.#workloads.removeSelecting(spec);
    this.#touches.host(spec.hostname, false);
    for (const rival of this.#claims.remove(spec)) this.#settleSpec(rival);
    if (spec.aliasOf !== undefined) for (const hostname of this.#aliases.remove(spec)) this.#settleHost(hostname);
  }

  #settleSpec(spec: ServiceSpec): void {
    const entry = this.#entries.get(spec);
    if (entry) this.#settle(entry);
  }

  /** Computes a service anew from its spec, the workloads it selects and the addresses it holds. */
  #settle(entry: Entry): void {
    const { spec } = entry;
    const endpoints = this.#endpointsOf(entry);
    this.#indexEndpoints(spec, entry.service.endpoints, endpoints);
    entry.service = {
      spec,
      endpoints,
      automaticAddresses: spec.wantsAddresses ? this.#claimAddresses(spec) : [],
      aliases: this.#aliases.aliasesOf(spec.hostname),
      lostAddresses: this.#lostAddresses(spec),
    };
    this.#touches.host(spec.hostname, false);
  }

  #lostAddresses(spec: ServiceSpec): Service['lostAddresses'] {
    const lost = this.#claims.lost(spec).filter(({ address }) => address !== anyAddress);
    return lost.length ? new Map(lost.map(({ at, holders }) => [at, holders])) : noAddresses;
  }

  #moveEndpoints(entry: Entry, declared: readonly Endpoint[]): void {
    entry.declaredEndpoints = declared;
    const endpoints = this.#endpointsOf(entry);
    if (JSON.stringify(endpoints) === JSON.stringify(entry.service.endpoints)) return;
    this.#indexEndpoints(entry.spec, entry.service.endpoints, endpoints);
    entry.service = { ...entry.service, endpoints };
    this.#touches.host(entry.spec.hostname, !makesListeners(entry.spec));
  }

  #endpointsOf({ spec, declaredEndpoints }: Entry): readonly Endpoint[] {
    return spec.workloadSelector ? [...declaredEndpoints, ...this.#workloads.pickedBy(spec)] : declaredEndpoints;
  }

  #workloadChanged(before: Workload | undefined, after: Workload | undefined): void {
    const specs = new Set([before, after].flatMap((workload) => (workload ? this.#workloads.selecting(workload) : [])));
    for (const spec of specs) {
      const entry = this.#entries.get(spec)!;
      this.#moveEndpoints(entry, entry.declaredEndpoints);
    }
    const isSame = before && after && selects(before.labels, after.labels) && selects(after.labels, before.labels);
    if (isSame) return;
    for (const workload of [before, after]) {
      for (const listener of workload ? this.#workloadListeners : []) listener(workload!.namespace);
    }
  }

  #indexEndpoints(spec: ServiceSpec, before: readonly Endpoint[], after: readonly Endpoint[]): void {
    if (before === after) return;
    const [portsBefore, portsAfter] = [portsByAddress(before), portsByAddress(after)];
    for (const address of portsBefore.keys()) {
      if (portsAfter.has(address)) continue;
      this.#endpoints.remove(address, spec);
      this.#touches.address(address);
    }
    for (const [address, ports] of portsAfter) {
      if (portsBefore.get(address) === ports) continue;
      if (!portsBefore.has(address)) this.#endpoints.add(address, spec);
      this.#touches.address(address);
    }
  }

  #claimAddresses(spec: ServiceSpec): string[] {
    const addresses: string[] = [];
    for (const pool of this.#pools) {
      const { address, evicted } = pool.claim(spec.hostname, spec.createdAtMs, spec.recordedAddresses);
      if (address) addresses.push(address);
      else this.#waiting.add(spec.hostname);
      if (evicted !== undefined) this.#settleHost(evicted);
    }
    if (addresses.length === this.#pools.length) this.#waiting.delete(spec.hostname);
    return addresses;
  }

  #releaseAddresses(hostname: string): void {
    if (this.#byHost.get(hostname)?.some((entry) => entry.spec.wantsAddresses)) return;
    this.#waiting.delete(hostname);
    let isFreed = false;
    for (const pool of this.#pools) isFreed = pool.release(hostname) || isFreed;
    if (isFreed) for (const waiting of [...this.#waiting]) this.#settleHost(waiting);
  }

  #settleHost(hostname: string): void {
    for (const entry of this.#byHost.get(hostname) ?? []) this.#settle(entry);
  }
}

/** Shared by the many services that lost nothing. */
const noAddresses: Service['lostAddresses'] = new Map();

/** Istio gives addresses to hosts that have none, are no wildcard, and are resolved by the proxy. */
export function wantsAutomaticAddresses(spec: Pick<ServiceSpec, 'hostname' | 'addresses' | 'resolution'>): boolean {
  return !isWildcard(spec.hostname) && spec.addresses.length === 0 && spec.resolution !== 'NONE';
}

/** Whether endpoints of a service have listeners of their own, so that one that comes or goes is more than a change of endpoints. */
function makesListeners(spec: ServiceSpec): boolean {
  return spec.isHeadless === true && spec.ports.some(({ protocol }) => listenerProtocol(protocol) !== 'http');
}

/** The ports that endpoints serve at each IP address, as text to compare. */
function portsByAddress(endpoints: readonly Endpoint[]): Map<string, string> {
  const ports = new Map<string, string>();
  for (const endpoint of endpoints) {
    const own = JSON.stringify(endpoint.ports);
    for (const address of endpointAddresses(endpoint)) {
      if (ipaddr.isValid(address)) ports.set(address, `${ports.get(address) ?? ''}${own}`);
    }
  }
  return ports;
}

/** Whether a new generation left everything but the endpoints as it was. Where the host stands in the list does not count. */
function isSameSpec(a: ServiceSpec, b: ServiceSpec): boolean {
  return comparable(a) === comparable(b);
}

function comparable(spec: ServiceSpec): string {
  // What the status recorded only matters when an address is chosen; writing it must not count as a change.
  return JSON.stringify(spec, (name, value) =>
    value instanceof Set ? [...value] : name === 'recordedAddresses' ? undefined : value,
  );
}
