import { pushOrder, type Resource, type TypeUrl } from '../envoy/resource.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { proxyName } from '../mesh/proxy.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ObjectFootprint, PatchReport, ProxyClass, ProxyClasses, Refresh } from './proxy-class.ts';
import type { RolloutReport } from './rollout/rollout-report.ts';
import type { ProxySession, SessionObserver } from './session/proxy-session.ts';
import type { Rejection } from './session/rejections.ts';
import type { ClassGroup, SessionRegistry } from './session-registry.ts';
import { suspectsOf } from './suspects.ts';

/** How far one object's present state has got. */
export interface Propagation {
  /** Connected proxies whose configuration derives from the object, or that still hold what it has withdrawn. */
  readonly affected: number;
  readonly acked: number;
  readonly rejected: number;
  readonly pending: number;
  /** At most 5, those of most proxies first. */
  readonly rejections: readonly ResourceRejection[];
  /** At most 5 pending proxies as `namespace/name`, the longest pending first. */
  readonly laggards: readonly string[];
  /** Since when the longest pending proxy has been waited for, in milliseconds since the epoch; undefined: none is pending. */
  readonly pendingSince: number | undefined;
  /** The mesh revision these counts speak of. */
  readonly revision: number;
  /** False: the mesh has changed since; if the object was put after `revision`, the counts are those of its state before. */
  readonly current: boolean;
  /** Set while proxies do not all get the object's newest generation, because it is on trial or in quarantine. */
  readonly rollout?: RolloutReport;
  /** Of an EnvoyFilter that is in force somewhere: what became of its patches. */
  readonly patches?: PatchReport;
}

/** One resource that proxies refuse. */
export interface ResourceRejection {
  readonly typeUrl: TypeUrl;
  readonly resource: string;
  readonly proxies: number;
  readonly exampleProxy: string;
  /** What the proxy said, and which objects shaped the resource; at most 512 characters. */
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly lastSeen: number;
  /** Every object behind the resource, the newest change first. */
  readonly suspects: readonly ObjectKey[];
}

/** Objects whose counts may have moved; `all`: any. */
export type DirtyObjects = ReadonlySet<ObjectKey> | 'all';

/** While proxies come and go in numbers, `all` is told this often at most, milliseconds. */
const allIntervalMs = 100;

const listLimit = 5;
const messageLimit = 512;

/**
 * How far every object has got, computed from class footprints and the sessions' acknowledged revisions when asked:
 * memory is bounded by proxies and classes, not by history. A class whose proxies are all settled costs one look.
 */
export class Ledger implements SessionObserver {
  readonly #classes: ProxyClasses;
  readonly #registry: SessionRegistry;
  readonly #clock: Clock;
  readonly #rollouts: Rollouts;
  readonly #listeners = new Set<(objects: DirtyObjects) => void>();
  #refreshedRevision: number;
  #dirtyObjects = new Set<ObjectKey>();
  readonly #dirtyClasses = new Map<ProxyClass, number>();
  #allDirty = false;
  #lastAllMs = Number.NEGATIVE_INFINITY;
  #flushSet: (() => void) | undefined;

  /** @param rollouts who does not get the newest generation at once; default: everybody does */
  constructor(classes: ProxyClasses, registry: SessionRegistry, clock: Clock, rollouts: Rollouts = { report: () => undefined }) {
    this.#classes = classes;
    this.#registry = registry;
    this.#clock = clock;
    this.#rollouts = rollouts;
    this.#refreshedRevision = classes.meshRevision;
  }

  /** The counts of one object now. */
  propagation(object: ObjectKey): Propagation {
    const tally = new Tally(object);
    for (const proxyClass of this.#classes.concerning(object)) {
      const group = this.#registry.group(proxyClass);
      const footprint = group && proxyClass.footprint(object);
      if (footprint) tally.add(group, footprint);
    }
    const current = this.#refreshedRevision >= this.#classes.meshRevision;
    const rollout = this.#rollouts.report(object);
    const patches = this.#classes.patchReport(object);
    const counts = withQuarantine(tally.result(), rollout);
    return { ...counts, revision: this.#refreshedRevision, current, ...(rollout && { rollout }), ...(patches && { patches }) };
  }

  /** Calls `listener` with the objects whose counts may have moved, gathered over a turn of the event loop. Returns the way out. */
  onDirty(listener: (objects: DirtyObjects) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The classes are in step with the mesh again. */
  refreshed(refresh: Refresh): void {
    this.#refreshedRevision = this.#classes.meshRevision;
    for (const object of refresh.objects) this.#dirtyObjects.add(object);
    if (refresh.moved.length) this.#allDirty = true;
    this.#flushSoon();
  }

  /** A proxy has come or gone: every object that affects it counts differently. */
  membershipChanged(): void {
    this.#allDirty = true;
    this.#flushSoon();
  }

  /** {@link SessionObserver} */
  progressed(session: ProxySession, acknowledgedBefore: number | undefined, objects: readonly ObjectKey[]): void {
    this.#registry.update(session);
    for (const object of objects) this.#dirtyObjects.add(object);
    if (acknowledgedBefore === -1) this.#allDirty = true;
    else if (acknowledgedBefore !== undefined) this.#markClass(session.proxyClass, acknowledgedBefore);
    this.#flushSoon();
  }

  /** {@link SessionObserver} */
  refused(session: ProxySession): void {
    session.touch(this.#clock.now());
    this.#registry.update(session);
  }

  /** Tells no one any more. */
  close(): void {
    this.#listeners.clear();
    this.#flushSet?.();
  }

  #markClass(proxyClass: ProxyClass, revision: number): void {
    const marked = this.#dirtyClasses.get(proxyClass);
    if (marked === undefined || marked > revision) this.#dirtyClasses.set(proxyClass, revision);
  }

  #flushSoon(): void {
    if (this.#listeners.size === 0) {
      this.#dirtyObjects.clear();
      this.#dirtyClasses.clear();
      this.#allDirty = false;
    } else this.#flushSet ??= this.#clock.setTimer(() => this.#flush(), 0);
  }

  #flush(): void {
    this.#flushSet = undefined;
    const waitMs = this.#lastAllMs + allIntervalMs - this.#clock.monotonicMs();
    const all = this.#allDirty && waitMs <= 0;
    if (this.#allDirty && !all) this.#flushSet = this.#clock.setTimer(() => this.#flush(), waitMs);
    const objects = this.#dirtyObjects;
    for (const [proxyClass, revision] of all ? [] : this.#dirtyClasses) {
      for (const object of proxyClass.objectsRequiredSince(revision)) objects.add(object);
    }
    this.#dirtyObjects = new Set();
    this.#dirtyClasses.clear();
    if (all) {
      this.#allDirty = false;
      this.#lastAllMs = this.#clock.monotonicMs();
    } else if (objects.size === 0) return;
    for (const listener of this.#listeners) listener(all ? 'all' : objects);
  }
}

/** Who knows of generations that not every proxy gets. */
export interface Rollouts {
  /** Undefined: everybody whom the object concerns gets its newest generation. */
  report(object: ObjectKey): RolloutReport | undefined;
}

type Counts = Omit<Propagation, 'revision' | 'current' | 'rollout' | 'patches'>;

/** The proxy that refused a generation was given the one before: what it said counts as long as the generation is in quarantine. */
function withQuarantine(counts: Counts, rollout: RolloutReport | undefined): Counts {
  if (rollout?.stage !== 'quarantined' || !rollout.refusal || counts.rejected > 0 || counts.pending === 0) return counts;
  const { typeUrl, resource, proxy, message, atMs } = rollout.refusal;
  const rejection = { typeUrl, resource, proxies: 1, exampleProxy: proxy, message, lastSeen: atMs, suspects: [] };
  return { ...counts, rejected: 1, pending: counts.pending - 1, rejections: [rejection] };
}

interface Refusal {
  readonly typeUrl: TypeUrl;
  readonly rejection: Rejection;
  readonly resource: Resource;
}

/** Adds up one object's counts over the classes. */
class Tally {
  readonly #object: ObjectKey;
  #acked = 0;
  #rejected = 0;
  readonly #pending: ProxySession[] = [];
  readonly #concerned = new Map<Resource, boolean>();
  readonly #rejections = new Map<
    string,
    { first: Refusal; exampleProxy: string; proxies: number; lastSeen: number; proxyClass: ProxyClass }
  >();

  constructor(object: ObjectKey) {
    this.#object = object;
  }

  add({ proxyClass, sessions, unsettled }: ClassGroup, footprint: ObjectFootprint): void {
    if (footprint.isAwaiting) {
      this.#pending.push(...sessions);
      return;
    }
    const present = footprint.names.values().some((names) => names.size > 0);
    if (present) this.#acked += sessions.size - unsettled.size;
    for (const session of unsettled) {
      const refusals = refusalsOf(session, proxyClass, footprint).filter(({ resource }) =>
        this.#isConcerned(resource, proxyClass),
      );
      if (refusals.length > 0) {
        this.#rejected++;
        for (const refusal of refusals) this.#note(session, refusal);
      } else if (!hasAcknowledged(session, footprint)) this.#pending.push(session);
      // Who has dropped what the object withdrew is affected no longer.
      else if (present) this.#acked++;
    }
  }

  result(): Counts {
    const pending = this.#pending.length;
    const byWait = this.#pending.toSorted((a, b) => (a.unsettledSince ?? Infinity) - (b.unsettledSince ?? Infinity));
    const byProxies = [...this.#rejections.values()].sort((a, b) => b.proxies - a.proxies).slice(0, listLimit);
    return {
      affected: this.#acked + this.#rejected + pending,
      acked: this.#acked,
      rejected: this.#rejected,
      pending,
      rejections: byProxies.map(({ first, exampleProxy, proxies, lastSeen, proxyClass }) => {
        const suspects = suspectsOf(first.resource, proxyClass);
        const message = explain(first.rejection.message, suspects, this.#object);
        return { typeUrl: first.typeUrl, resource: first.resource.name, proxies, exampleProxy, message, lastSeen, suspects };
      }),
      laggards: byWait.slice(0, listLimit).map(({ node }) => proxyName(node)),
      pendingSince: byWait[0]?.unsettledSince,
    };
  }

  /** A Sidecar has a part in every listener of its class; it is to blame for a refused one where its own change of listeners was the last. */
  #isConcerned(resource: Resource, proxyClass: ProxyClass): boolean {
    if (this.#object !== proxyClass.sidecarKey || resource.provenance.includes(this.#object)) return true;
    const isConcerned = this.#concerned.get(resource) ?? suspectsOf(resource, proxyClass)[0] === this.#object;
    this.#concerned.set(resource, isConcerned);
    return isConcerned;
  }

  #note(session: ProxySession, refusal: Refusal): void {
    const key = `${refusal.typeUrl} ${refusal.resource.name}`;
    const { at } = refusal.rejection;
    const noted = this.#rejections.get(key);
    if (noted) {
      noted.proxies++;
      noted.lastSeen = Math.max(noted.lastSeen, at);
      return;
    }
    const { node, proxyClass } = session;
    this.#rejections.set(key, { first: refusal, exampleProxy: proxyName(node), proxies: 1, lastSeen: at, proxyClass });
  }
}

/** What the proxy refuses of the object's present resources. */
function refusalsOf(session: ProxySession, proxyClass: ProxyClass, footprint: ObjectFootprint): Refusal[] {
  const refusals: Refusal[] = [];
  for (const [typeUrl, names] of footprint.names) {
    const { rejections } = session.types[typeUrl];
    if (rejections.size === 0) continue;
    for (const rejection of rejections.values()) {
      const resource = names.has(rejection.resource) ? proxyClass.table(typeUrl).get(rejection.resource) : undefined;
      if (resource && rejections.has(resource)) refusals.push({ typeUrl, rejection, resource });
    }
  }
  return refusals;
}

function hasAcknowledged(session: ProxySession, { names, required }: ObjectFootprint): boolean {
  return pushOrder.every((typeUrl) => session.types[typeUrl].covers(required.get(typeUrl) ?? -1, names.get(typeUrl)));
}

/** The proxy's words, cut so that the other suspects still fit behind them. */
function explain(message: string, suspects: readonly ObjectKey[], object: ObjectKey): string {
  const others = suspects.filter((suspect) => suspect !== object);
  if (others.length === 0) return cut(message, messageLimit);
  const isLast = suspects[0] === object;
  const named = others.slice(isLast ? 0 : 1, listLimit).join(', ');
  const rest = named && (isLast ? named : `; also shaped by ${named}`);
  const tail = isLast ? ` (also shaped by ${rest})` : ` (changed last by ${suspects[0]}${rest})`;
  const shortTail = cut(tail, messageLimit / 2);
  return cut(message, messageLimit - shortTail.length) + shortTail;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
