import { type Resource, type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxyClass } from '../proxy-class.ts';
import type { TableComparison } from '../resource-table.ts';
import type { SubscriptionUpdate } from '../wire/decode-request.ts';
import type { Variant } from '../wire/encode-response.ts';
import { parseNack } from '../wire/parse-nack.ts';
import { unavailable } from '../wire/stream-error.ts';
import { Isolation } from './isolation.ts';
import { Rejections } from './rejections.ts';
import { Subscription } from './subscription.ts';

/** Which kinds of pending work may leave now. What the proxy itself asked for always may. */
export interface Openings {
  readonly changes: boolean;
  readonly removals: boolean;
}

/** One answer, before either variant encodes it. */
export interface Answer {
  readonly resources: readonly Resource[];
  /** Those of `resources` that the proxy did not hold before, as far as is known. */
  readonly fresh: readonly Resource[];
  readonly removed: readonly string[];
  /** What was removed, where its last form is known. */
  readonly removedResources: readonly Resource[];
  /** The class revision that holds for the proxy once it has acknowledged this. */
  readonly revision: number;
}

/** An answer that was written and not yet acknowledged or refused. */
export interface Outstanding extends Answer {
  readonly nonce: string;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
}

/** What an acknowledgement or refusal moved besides the revision. */
export interface Settlement {
  /** Objects behind resources whose refusal began or ended, or that were awaited. */
  readonly objects: readonly ObjectKey[];
}

export interface TypeStateOptions {
  /** Names one proxy may subscribe to per type. */
  readonly maxNames: number;
  /** Responses spent on finding the culprits of one refusal that names none. */
  readonly isolationLimit: number;
}

/**
 * One proxy's standing in one type: what it wants, what it has been sent up to which revision, and what is owed to it beyond that.
 * No copy of versions: the class's table remembers what changed since.
 */
export class TypeState {
  readonly typeUrl: TypeUrl;
  readonly subscription: Subscription;
  readonly rejections = new Rejections();
  /** Names that resources already sent need of this type, until they are delivered. */
  readonly awaited = new Set<string>();
  outstanding: Outstanding | undefined;
  /** The class revision the proxy has acknowledged; -1: none yet. Only what {@link rejections} holds is excepted. */
  ackedRevision = -1;
  /** The revision of the last answer written; -1: none yet. */
  sentRevision = -1;
  /** The message of the last refusal, until the next acknowledgement. */
  lastError: string | undefined;
  /** The nonce of the last answer written. */
  lastNonce: string | undefined;

  #source: ProxyClass;
  readonly #explicitRemovals: boolean;
  /** State of the world lists clusters and listeners completely, or they are gone. */
  readonly #complete: boolean;
  readonly #isolation: Isolation;
  /** Changes up to here have been sent. */
  #cursor = -1;
  /** Removals up to here have been sent. */
  #removalCursor = -1;
  readonly #asked = new Set<string>();
  #everythingAsked = false;
  #answerDue = false;
  /** To be sent as changes although the table's log does not say so: after a class change, or to let clusters warm. */
  readonly #owed = new Set<string>();
  /** To be removed although the table's log does not say so. */
  readonly #gone = new Map<string, Resource | undefined>();
  /** Objects for which the proxy stands otherwise than before, by something else than an answer of it; until they are told. */
  readonly #moved = new Set<ObjectKey>();

  constructor(typeUrl: TypeUrl, variant: Variant, source: ProxyClass, options: TypeStateOptions) {
    this.typeUrl = typeUrl;
    this.#source = source;
    this.#explicitRemovals = variant === 'delta';
    this.#complete = variant === 'sotw' && (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener);
    this.subscription = new Subscription(typeUrl, options.maxNames);
    this.#isolation = new Isolation(options.isolationLimit);
  }

  /** Something other than a removal waits to be written. May be true for a change the proxy does not want. */
  get changesPending(): boolean {
    if (!this.subscription.active) return false;
    if (this.#everythingAsked || this.#answerDue || this.#isolation.waiting) return true;
    return this.#asked.size > 0 || this.#owed.size > 0 || this.#table.revision > this.#cursor;
  }

  /** A removal waits to be written. May be true for one the proxy does not notice. */
  get removalsPending(): boolean {
    return this.subscription.active && (this.#gone.size > 0 || this.#table.revision > this.#removalCursor);
  }

  /** The proxy has asked for the type on this stream, or its class has nothing of it to ask for. */
  get introduced(): boolean {
    return this.subscription.requested || this.#table.size === 0;
  }

  /** Nothing is on its way and nothing waits. */
  get idle(): boolean {
    return !this.outstanding && !this.changesPending && !this.removalsPending;
  }

  /** Idle, with nothing refused and everything delivered that earlier types need. */
  get settled(): boolean {
    return this.idle && this.rejections.size === 0 && this.awaited.size === 0;
  }

  /** The proxy has the newest of `names` that it needs, as far as `revision`: nothing of it is waited for. */
  covers(revision: number, names: ReadonlySet<string> | undefined): boolean {
    // All but clusters and listeners is asked for by name, and only what resources sent before need of it can be missing.
    const byName = this.typeUrl !== typeUrls.cluster && this.typeUrl !== typeUrls.listener;
    const vacuous = !this.subscription.active && (byName || !names?.size);
    if (!vacuous && this.ackedRevision < revision) return false;
    if (!names || (this.awaited.size === 0 && this.#asked.size === 0)) return true;
    return names.values().every((name) => !this.awaited.has(name) && !this.#asked.has(name));
  }

  /** Takes over a subscription; `initialVersions`: what the client holds from an earlier stream. */
  subscribe(update: SubscriptionUpdate, initialVersions: ReadonlyMap<string, string>): void {
    const wasActive = this.subscription.active;
    const { wildcardAsked, asked, dropped } = this.subscription.apply(update);
    for (const name of dropped) this.#forget(name);
    if (!wasActive) this.#start();
    if (wildcardAsked) this.#askEverything(initialVersions);
    for (const name of asked) this.#ask(name, initialVersions.get(name));
    if (this.#complete && asked.length > 0) this.#answerDue = true;
  }

  /** Notes that a resource just sent needs `name` of this type. Endpoints are sent again even if they did not change. */
  need(name: string): void {
    const subscribed = this.subscription.includes(name);
    if (this.typeUrl === typeUrls.endpoint) {
      // A changed cluster warms until an endpoint response comes, and over delta does not ask for one (envoyproxy/envoy#13009).
      this.awaited.add(name);
      if (subscribed) this.#owed.add(name);
    } else if (!subscribed) this.awaited.add(name);
    else if (this.typeUrl === typeUrls.extensionConfig && !this.#table.get(name)) this.#gone.set(name, undefined);
  }

  /** The resource that needed `name` is gone or was refused. */
  needNoMore(name: string): void {
    if (this.awaited.delete(name)) this.#noteMoved(this.#table.get(name)?.provenance);
  }

  /** The objects whose counts have moved, since the last time, by something else than an answer: told once. */
  takeMoved(): readonly ObjectKey[] {
    if (this.#moved.size === 0) return none;
    const moved = [...this.#moved];
    this.#moved.clear();
    return moved;
  }

  /** Takes what may be sent now off the pending work; undefined: nothing. The caller writes it at once. */
  take(open: Openings): Answer | undefined {
    if (this.#isolation.waiting) return this.#takeGroup();
    const mayChange = open.changes || (this.#owed.size === 0 && this.#table.revision <= this.#cursor);
    const everything = this.#everythingAsked;
    const fresh = new Map<string, Resource>();
    const missing = new Set<string>();
    if (everything) this.#collectAll(fresh);
    // As long as no revision is acknowledged, all of it counts as waited for.
    if (this.ackedRevision >= 0) for (const name of this.#asked) this.#noteMoved(this.#table.get(name)?.provenance);
    this.#collect(this.#asked, fresh, missing);
    if (mayChange) {
      this.#collect(this.#owed, fresh, missing);
      this.#collectChanges(fresh);
    }
    const removals = this.#removals();
    const mayRemove = open.removals || removals.size === 0;
    // In their last form, which the proxy may not have seen: what they need goes along again.
    const retained = this.#complete && !mayRemove ? [...removals.values()].filter((resource) => resource !== undefined) : [];
    // A cluster that was just sent warms until it is answered, if only by what it will refuse again.
    for (const [name, resource] of fresh) if (this.rejections.has(resource) && !this.awaited.has(name)) fresh.delete(name);
    if (!this.#explicitRemovals) {
      for (const name of missing) {
        // Nor does it stop warming because its endpoints are gone: while it warms, Envoy acknowledges no clusters at all.
        if (this.typeUrl === typeUrls.endpoint) fresh.set(name, removals.get(name) ?? this.#source.emptyEndpoints(name));
        else this.awaited.delete(name);
      }
    }
    const answerDue = this.#answerDue;
    this.#consume(everything || mayChange, mayRemove);

    const removed = mayRemove ? new Set([...missing, ...removals.keys()]) : missing;
    const noticed = this.#explicitRemovals || this.#complete ? removed.size : 0;
    if (fresh.size === 0 && noticed === 0 && !answerDue) return undefined;
    return {
      resources: this.#complete ? this.#completeSet(retained) : [...fresh.values()],
      fresh: [...fresh.values(), ...retained],
      removed: [...removed],
      removedResources: mayRemove ? [...removals.values()].filter((resource) => resource !== undefined) : [],
      revision: Math.min(this.#cursor, this.#removalCursor),
    };
  }

  /** Notes that an answer of {@link take} was written. */
  sent(answer: Answer, nonce: string, at: number): void {
    this.outstanding = { ...answer, nonce, sentAt: at };
    this.lastNonce = nonce;
    this.sentRevision = this.#source.revision;
  }

  /** The proxy has taken the outstanding answer. */
  ack(): Settlement {
    const objects: ObjectKey[] = [];
    const { resources, removed, revision } = this.outstanding!;
    this.outstanding = undefined;
    this.lastError = undefined;
    this.ackedRevision = revision;
    if (this.rejections.size > 0 || this.awaited.size > 0) {
      for (const resource of resources) this.#deliver(resource.name, resource.provenance, objects);
      for (const name of removed) this.#deliver(name, [], objects);
    }
    this.#isolation.settle();
    return { objects };
  }

  /** The proxy has refused the outstanding answer, or part of it. Answers also which resources are known to be refused. */
  nack(message: string, at: number): Settlement & { readonly rejected: readonly Resource[] } {
    const { resources, fresh, removed, revision } = this.outstanding!;
    this.outstanding = undefined;
    this.lastError = message;
    const byName = new Map(resources.map((resource) => [resource.name, resource]));
    const named = parseNack(message, new Set(byName.keys()));
    const rejected = named.map(({ name, message }) => ({ resource: byName.get(name)!, message }));
    for (const { name } of named) byName.delete(name);

    // Envoy cuts long messages: what is not named may have been refused all the same.
    const doubtful = named.length === 0 || message.endsWith('(truncated)') ? [...byName.keys()] : [];
    const alone = named.length === 0 && doubtful.length === 1;
    const searching = doubtful.length > 0 && !alone && !this.#complete && this.#isolation.divide(doubtful);
    if (doubtful.length > 0 && !searching) {
      const suspects = this.#complete && fresh.length > 0 ? fresh : resources;
      for (const resource of suspects) if (byName.delete(resource.name)) rejected.push({ resource, message });
    }

    const objects: ObjectKey[] = [];
    if (!searching) {
      this.ackedRevision = revision;
      for (const [name, { provenance }] of byName) this.#deliver(name, provenance, objects);
    }
    for (const name of removed) this.#deliver(name, [], objects);
    for (const { resource, message } of rejected) {
      this.rejections.add(resource, message, at);
      this.awaited.delete(resource.name);
      objects.push(...resource.provenance);
    }
    this.#isolation.settle();
    return { objects, rejected: rejected.map(({ resource }) => resource) };
  }

  /** Once nothing is on its way or waits, the proxy's standing is the class's own. */
  settle(): void {
    if (this.idle && this.subscription.active) this.ackedRevision = this.#source.revision;
  }

  /** The proxy has another class from now on. `comparison`: that of the two tables. */
  rebase(to: ProxyClass, comparison: TableComparison): void {
    const held = this.#table;
    const unsent = held.since(this.#cursor);
    const unremoved = this.#removals();
    this.#source = to;
    const now = this.#table;
    if (this.subscription.active) {
      const changed = unsent
        ? [...unsent.changed.map(({ name }) => name), ...comparison.changed]
        : [...now.values()].map(({ name }) => name);
      for (const name of changed) if (now.get(name) && this.subscription.includes(name)) this.#owed.add(name);
      for (const resource of comparison.removed)
        if (this.subscription.includes(resource.name)) this.#gone.set(resource.name, resource);
      for (const [name, resource] of unremoved) this.#gone.set(name, resource);
      for (const name of this.#gone.keys()) {
        if (!now.get(name)) continue;
        this.#gone.delete(name);
        this.#owed.add(name);
      }
    }
    this.#cursor = this.#removalCursor = to.revision;
    // Until what differs is acknowledged, no revision of the new class holds.
    this.ackedRevision = -1;
    if (this.outstanding) this.outstanding = { ...this.outstanding, revision: -1 };
  }

  get #table() {
    return this.#source.table(this.typeUrl);
  }

  #start(): void {
    this.#cursor = this.#removalCursor = this.#source.revision;
    this.#owed.clear();
    this.#gone.clear();
  }

  #askEverything(initialVersions: ReadonlyMap<string, string>): void {
    this.#answerDue = true;
    if (initialVersions.size === 0) {
      this.#everythingAsked = true;
      return;
    }
    for (const { name, version } of this.#table.values()) {
      if (initialVersions.get(name) !== version || this.awaited.has(name)) this.#asked.add(name);
    }
    for (const name of initialVersions.keys()) if (!this.#table.get(name)) this.#gone.set(name, undefined);
  }

  #ask(name: string, heldVersion: string | undefined): void {
    this.#noteMoved(this.rejections.delete(name)?.provenance);
    const resource = this.#table.get(name);
    if (heldVersion !== undefined && !resource) this.#gone.set(name, undefined);
    else if (resource?.version !== heldVersion || heldVersion === undefined || this.awaited.has(name)) this.#asked.add(name);
  }

  #forget(name: string): void {
    this.#asked.delete(name);
    this.#owed.delete(name);
    this.#gone.delete(name);
    this.needNoMore(name);
    this.#noteMoved(this.rejections.delete(name)?.provenance);
  }

  #noteMoved(provenance: readonly ObjectKey[] = []): void {
    for (const object of provenance) this.#moved.add(object);
  }

  #collectAll(into: Map<string, Resource>): void {
    for (const resource of this.#table.values()) if (this.subscription.includes(resource.name)) into.set(resource.name, resource);
  }

  #collect(names: Iterable<string>, into: Map<string, Resource>, missing: Set<string>): void {
    for (const name of names) {
      const resource = this.#table.get(name);
      if (resource) into.set(name, resource);
      else missing.add(name);
    }
  }

  #collectChanges(into: Map<string, Resource>): void {
    const delta = this.#table.since(this.#cursor);
    if (!delta) this.#collectAll(into);
    else for (const resource of delta.changed) if (this.subscription.includes(resource.name)) into.set(resource.name, resource);
  }

  /** Names the proxy may hold that are gone from the table. */
  #removals(): Map<string, Resource | undefined> {
    const removals = new Map<string, Resource | undefined>();
    for (const [name, resource] of this.#gone) if (!this.#table.get(name)) removals.set(name, resource);
    const delta = this.#table.since(this.#removalCursor);
    if (delta) {
      for (const resource of delta.removed) if (this.subscription.includes(resource.name)) removals.set(resource.name, resource);
    } else if (!this.subscription.wildcard) {
      for (const name of this.subscription.names) if (!this.#table.get(name)) removals.set(name, undefined);
    } else if (this.#explicitRemovals) {
      throw unavailable(
        `so many resources of ${this.typeUrl} went while this proxy did not read that it must say again what it holds`,
      );
    }
    if (this.typeUrl === typeUrls.extensionConfig) {
      // Connections of the listener's earlier version go on using the filter while they drain; Envoy drops it by itself after that.
      for (const name of removals.keys()) if (!this.#isRequired(name)) removals.delete(name);
    }
    return removals;
  }

  /** Whether a cluster or listener of the class refers to a name of this type. Costs a look at all of them. */
  #isRequired(name: string): boolean {
    const refers = ({ requires }: Resource) =>
      requires.some((reference) => reference.typeUrl === this.typeUrl && reference.name === name);
    return (
      this.#source.table(typeUrls.listener).values().some(refers) || this.#source.table(typeUrls.cluster).values().some(refers)
    );
  }

  /** Everything the proxy shall hold, for the types that are sent completely; `retained`: what shall stay until later types let go of it. */
  #completeSet(retained: readonly Resource[]): Resource[] {
    const all = new Map<string, Resource>();
    this.#collectAll(all);
    return [...all.values(), ...retained];
  }

  #takeGroup(): Answer | undefined {
    for (let group = this.#isolation.next(); group; group = this.#isolation.next()) {
      const resources: Resource[] = [];
      for (const name of group) {
        const resource = this.#table.get(name);
        if (resource && this.subscription.includes(name) && !this.rejections.has(resource)) resources.push(resource);
      }
      const revision = this.ackedRevision;
      if (resources.length > 0) return { resources, fresh: resources, removed: [], removedResources: [], revision };
    }
    return undefined;
  }

  #consume(changes: boolean, removals: boolean): void {
    this.#asked.clear();
    this.#everythingAsked = this.#answerDue = false;
    if (changes) {
      this.#owed.clear();
      this.#cursor = this.#source.revision;
    }
    if (removals) {
      this.#gone.clear();
      this.#removalCursor = this.#source.revision;
    }
  }

  /** A name has reached the proxy and was not refused. */
  #deliver(name: string, provenance: readonly ObjectKey[], objects: ObjectKey[]): void {
    const rejection = this.rejections.delete(name);
    const awaited = !this.#owed.has(name) && !this.#asked.has(name) && this.awaited.delete(name);
    if (rejection) objects.push(...rejection.provenance);
    if (awaited) objects.push(...provenance);
  }
}

const none: readonly ObjectKey[] = [];
