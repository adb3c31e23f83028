import type { EnvoyFilter } from '../mesh/envoy-filter.ts';
import { selectsWorkload } from '../mesh/envoy-filter-index.ts';
import type { Change, Mesh } from '../mesh/mesh.ts';
import { type ObjectKey, parseObjectKey } from '../mesh/object-key.ts';
import { type ProxyNode, proxyName } from '../mesh/proxy.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { type Assignment, assign } from './classes/assignment.ts';
import { type BaseEntry, BaseIndex } from './classes/base-index.ts';
import { type BaseChange, ClassBase, noChange } from './classes/class-base.ts';
import type { ClassFilters } from './classes/class-filters.ts';
import { ClassMembers, createMember, type Member } from './classes/class-members.ts';
import { PatchedClass } from './classes/patched-class.ts';
import { planMoves } from './classes/plan-moves.ts';
import { type FilterSource, filtersOf } from './filter-source.ts';
import type { PatchReport, ProxyClass, ProxyClasses, Refresh, Urgency } from './proxy-class.ts';

/** What has changed since the last refresh. */
interface Pending {
  readonly hosts: Set<string>;
  readonly objects: Set<ObjectKey>;
  /** Namespaces of the objects, and of the services that the hosts stand for. */
  readonly touched: Set<string>;
  /** Namespaces whose proxies may belong elsewhere now. */
  readonly namespaces: Set<string>;
  /** Proxies that may belong elsewhere now. */
  readonly members: Set<Member>;
  isConfigChanged: boolean;
}

/** The classes of the connected proxies, kept in step with one mesh. */
export class MeshClasses implements ProxyClasses {
  readonly #mesh: Mesh;
  readonly #logger: Logger;
  readonly #filters: FilterSource;
  readonly #bases = new Map<string, BaseEntry>();
  readonly #index = new BaseIndex();
  /** Those of which something could not be computed: each refresh tries again. */
  readonly #broken = new Set<BaseEntry>();
  readonly #step: { revision: number };
  readonly #classes = new Map<string, PatchedClass>();
  /** How many joined each class. */
  readonly #joined = new Map<PatchedClass, number>();
  readonly #members = new ClassMembers();
  readonly #listeners = new Set<(urgency: Urgency) => void>();
  /** Patches whose failure has been logged. */
  readonly #toldFailures = new WeakMap<EnvoyFilter, Set<number>>();
  #pending: Pending = nothingPending();
  /** Objects whose part in some class has come or gone since the refresh began. */
  readonly #concerned = new Set<ObjectKey>();

  /**
   * @param logger told of resources that could not be computed, and once of each patch that threw; default: no one is
   * @param filters which version of which EnvoyFilter holds for whom; default: the newest for everyone
   */
  constructor(mesh: Mesh, logger: Logger = silentLogger, filters: FilterSource = filtersOf(mesh)) {
    this.#mesh = mesh;
    this.#logger = logger;
    this.#filters = filters;
    this.#step = { revision: mesh.revision };
    mesh.onChange((change) => this.#note(change));
  }

  get meshRevision(): number {
    return this.#mesh.revision;
  }

  /** How much there is: all of it goes with the last proxy. */
  get size(): { readonly bases: number; readonly classes: number; readonly members: number } {
    return { bases: this.#bases.size, classes: this.#joined.size, members: this.#members.size };
  }

  join(node: ProxyNode): ProxyClass {
    const member = this.#members.add(node);
    const assignment = this.#assign(member);
    let joined = this.#classes.get(assignment.key);
    if (!joined) {
      joined = this.#createClass(assignment);
      this.#classes.set(assignment.key, joined);
    }
    member.classes.push(joined);
    this.#joined.set(joined, (this.#joined.get(joined) ?? 0) + 1);
    return joined;
  }

  leave(proxyClass: ProxyClass, node: ProxyNode): void {
    const member = this.#members.get(node);
    const at = member?.classes.indexOf(proxyClass as PatchedClass) ?? -1;
    if (!member || at < 0) return;
    const [left] = member.classes.splice(at, 1) as [PatchedClass];
    if (!member.classes.length) this.#members.remove(member);
    const count = this.#joined.get(left)! - 1;
    if (count) this.#joined.set(left, count);
    else this.#drop(left);
  }

  classKeyOf(node: ProxyNode): string {
    return this.#assign(this.#members.get(node) ?? createMember(node)).key;
  }

  reconsider(node: ProxyNode): void {
    const member = this.#members.get(node);
    if (!member) return;
    this.#pending.members.add(member);
    for (const listener of this.#listeners) listener('configuration');
  }

  onChange(listener: (urgency: Urgency) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  wouldChange(proxyClass: ProxyClass, node: ProxyNode): boolean {
    const { baseKey, key, filters } = this.#assign(this.#members.get(node) ?? createMember(node));
    if (key === proxyClass.key) return false;
    // Of another base nothing is known yet.
    return !(proxyClass instanceof PatchedClass) || baseKey !== proxyClass.base.key || proxyClass.wouldChange(filters);
  }

  patchReport(filter: ObjectKey): PatchReport | undefined {
    const newest = this.#mesh.envoyFilters.get(filter);
    if (!newest) return undefined;
    let classes = 0;
    const matched = new Set<number>();
    const failed = new Map<number, string>();
    for (const each of this.concerning(filter)) {
      if (each.filterVersion(filter) !== newest.version) continue;
      classes++;
      for (const index of each.matchedBy(filter)) matched.add(index);
      for (const [index, message] of each.failedBy(filter)) if (!failed.has(index)) failed.set(index, message);
    }
    return classes || this.#isUnfit(newest) ? { classes, matched, failed } : undefined;
  }

  /** Whether proxies are selected by a filter that is in force in no class: none of its patches fits them. */
  #isUnfit(filter: EnvoyFilter): boolean {
    if (this.#pending.objects.has(filter.key)) return false;
    const { rootNamespace } = this.#mesh.config;
    const members = filter.namespace === rootNamespace ? this.#members.values() : this.#members.in(filter.namespace);
    for (const { node } of members) {
      // Where another version is what they get, nothing is known of this one.
      if (selectsWorkload(filter, node.labels)) return this.#filters.select(node).filters.includes(filter);
    }
    return false;
  }

  *concerning(object: ObjectKey): Generator<PatchedClass> {
    for (const { classes } of this.#index.reaching([parseObjectKey(object).namespace])) yield* classes;
  }

  refresh(): Refresh {
    const { objects, ...pending } = this.#pending;
    this.#pending = nothingPending();
    // At a revision that proxies have been told of, a class that goes on as another one could tell them nothing: its members move.
    const isNews = this.#mesh.revision > this.#step.revision;
    const { rekeyed, moved } = this.#reassign(this.#membersOf(pending), isNews);
    const changed: ProxyClass[] = [];
    this.#concerned.clear();
    this.#step.revision = this.#mesh.revision;
    for (const entry of this.#touchedBases(pending, rekeyed.keys())) {
      const { base, classes } = entry;
      const change = this.#refreshBase(entry, pending.hosts, pending.isConfigChanged);
      this.#broken.delete(entry);
      if (base.isBroken) this.#broken.add(entry);
      for (const each of classes) {
        const next = rekeyed.get(each);
        if (change === noChange && !next && !each.isBroken) continue;
        try {
          const isChanged = each.isBroken ? each.rebuild(objects, next) : each.update(change, objects, next);
          if (isChanged) changed.push(each);
        } catch (error) {
          each.isBroken = true;
          this.#broken.add(entry);
          this.#logger.error('A class of proxies could not be computed; they keep what they have', { class: each.key, error });
        }
      }
    }
    return { changed, moved, objects: objects.union(this.#concerned) };
  }

  /** The bases that changes may concern, and those that are to be tried again. */
  #touchedBases({ touched, isConfigChanged }: Omit<Pending, 'objects'>, rekeyed: Iterable<PatchedClass>): Iterable<BaseEntry> {
    if (isConfigChanged) return [...this.#bases.values()];
    const entries = this.#index.reaching(touched).union(this.#broken);
    for (const { base } of rekeyed) entries.add(this.#bases.get(base.key)!);
    return entries;
  }

  #refreshBase(entry: BaseEntry, hosts: ReadonlySet<string>, isConfigChanged: boolean): BaseChange {
    const { base } = entry;
    try {
      // A base whose Sidecar is gone keeps its shape: its members are about to leave it.
      const before = base.sidecar;
      const fragment = before && this.#mesh.get(before.key);
      const sidecar = fragment?.kind === 'sidecar' ? fragment.sidecar : before;
      // A base that failed before is computed anew as a whole, so that no change is lost on it.
      const isReshaped = isConfigChanged || base.isBroken || sidecar !== before;
      if (!isReshaped) return base.refresh(hosts);
      const change = base.reshape(sidecar);
      this.#index.add(entry);
      return change;
    } catch (error) {
      base.isBroken = true;
      this.#logger.error('A class of proxies could not be computed; they keep what they have', { class: base.key, error });
      return noChange;
    }
  }

  /** Who may belong elsewhere after the changes. */
  #membersOf({ namespaces, members, isConfigChanged }: Omit<Pending, 'objects'>): Iterable<Member> {
    if (isConfigChanged || namespaces.has(this.#mesh.config.rootNamespace)) return this.#members.values();
    for (const namespace of namespaces) for (const member of this.#members.in(namespace)) members.add(member);
    return members;
  }

  /** Re-keys the classes that go on as others, where they may; answers these, and who has to move. */
  #reassign(concerned: Iterable<Member>, mayRekey: boolean): { rekeyed: Map<PatchedClass, ClassFilters>; moved: ProxyNode[] } {
    const index = {
      get: (key: string) => this.#classes.get(key),
      membersOf: (proxyClass: PatchedClass) => this.#joined.get(proxyClass)!,
    };
    const plan = planMoves(this.#assignEach(concerned), index, mayRekey);
    const moved = new Set(plan.moved.map(({ node }) => node));
    for (const { from, to, rival } of plan.rekeyed) {
      if (rival) for (const node of this.#nodesOf(rival, to.traits.namespace)) moved.add(node);
      if (this.#classes.get(from.key) === from) this.#classes.delete(from.key);
      from.key = to.key;
      this.#classes.set(to.key, from);
    }
    return { rekeyed: new Map(plan.rekeyed.map(({ from, to }) => [from, to.filters])), moved: [...moved] };
  }

  *#assignEach(concerned: Iterable<Member>): Generator<readonly [Member, Assignment]> {
    for (const member of concerned) {
      try {
        yield [member, this.#assign(member)];
      } catch (error) {
        this.#pending.members.add(member);
        const proxy = proxyName(member.node);
        this.#logger.error('Where a proxy belongs could not be told; it keeps what it has', { proxy, error });
      }
    }
  }

  #nodesOf(proxyClass: PatchedClass, namespace: string): ProxyNode[] {
    return [...this.#members.in(namespace)].filter(({ classes }) => classes.includes(proxyClass)).map(({ node }) => node);
  }

  #createClass({ baseKey, key, traits, sidecar, inbound, filters }: Assignment): PatchedClass {
    let entry = this.#bases.get(baseKey);
    if (!entry) {
      entry = {
        base: new ClassBase(this.#mesh, this.#step, { key: baseKey, proxy: traits, inbound }, sidecar, this.#logger),
        classes: new Set(),
      };
      this.#bases.set(baseKey, entry);
      this.#index.add(entry);
      if (entry.base.isBroken) this.#broken.add(entry);
    }
    const created = new PatchedClass({
      ...{ key, base: entry.base, filters, mesh: this.#mesh },
      concerns: (object) => void this.#concerned.add(object),
      failed: (filter, index, resource, error) => {
        const told = this.#toldFailures.get(filter) ?? new Set();
        this.#toldFailures.set(filter, told);
        if (told.has(index)) return;
        told.add(index);
        this.#logger.warn('A patch of an EnvoyFilter could not be applied; it is left out there', {
          ...{ namespace: filter.namespace, name: filter.name, patch: `configPatches[${index}]` },
          ...{ type: resource?.typeUrl, resource: resource?.name, error },
        });
      },
    });
    entry.classes.add(created);
    return created;
  }

  #drop(left: PatchedClass): void {
    this.#joined.delete(left);
    // A class whose members move to a larger one of the same key has lost it already.
    if (this.#classes.get(left.key) === left) this.#classes.delete(left.key);
    const entry = this.#bases.get(left.base.key)!;
    entry.classes.delete(left);
    if (entry.classes.size) return;
    this.#bases.delete(left.base.key);
    this.#index.remove(entry);
    this.#broken.delete(entry);
  }

  #note(change: Change): void {
    const { hosts, objects, touched, namespaces, members } = this.#pending;
    objects.add(change.object);
    // Of a host that is gone, the namespace is that of the object which had it.
    touched.add(parseObjectKey(change.object).namespace);
    for (const host of change.hosts) {
      hosts.add(host);
      for (const { spec } of this.#mesh.services.servicesOf(host)) touched.add(spec.namespace);
    }
    this.#pending.isConfigChanged ||= change.isConfigChanged;
    if (change.ruledNamespace !== undefined) namespaces.add(change.ruledNamespace);
    // Whoever has such an address may serve other services than before, which makes another class of it.
    for (const address of change.addresses) {
      for (const member of this.#members.at(address)) {
        member.inbound = undefined;
        members.add(member);
      }
    }
    for (const listener of this.#listeners) listener(change.endpointsOnly ? 'endpoints' : 'configuration');
  }

  #assign(member: Member): Assignment {
    return assign(member, this.#mesh, this.#filters);
  }
}

function nothingPending(): Pending {
  return {
    ...{ hosts: new Set(), objects: new Set(), touched: new Set() },
    ...{ namespaces: new Set(), members: new Set(), isConfigChanged: false },
  };
}
