import type { Condition } from '../api/status.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { type ObjectKey, parseObjectKey } from '../mesh/object-key.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import type { Verdict } from '../mesh/verdict.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { decideConditions, type Gathered } from './conditions.ts';
import { judgeSidecar } from './judge-sidecar.ts';
import type { PropagationSource } from './propagation-source.ts';
import { type ObjectStatus, renderStatus } from './render-status.ts';
import { SidecarWatch } from './sidecar-watch.ts';
import { UnresolvedObjects } from './unresolved-objects.ts';

interface Tracked {
  status: ObjectStatus;
  /** What the latch is about: a generation, as taken into the mesh at a revision. */
  generation: number;
  revision: number | undefined;
  startedAtMs: number;
  completedAtMs: number | undefined;
  wasReady: boolean;
  /** Since when it has been on its way to being ready: the deadline is for one journey, not for the generation's life. */
  unreadySinceMs: number;
}

export interface StatusTrackerOptions {
  readonly mesh: Mesh;
  /** Whose counts: this replica's ledger, or those of all replicas merged. */
  readonly ledger: PropagationSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The connected proxies, where no object tells of the workloads behind them; default: none. */
  readonly proxies?: () => Iterable<ProxyNode>;
}

/** How often objects that are not ready are looked at again, so that waiting too long is noticed, in milliseconds. */
const recheckMs = 1000;

const none: ReadonlySet<ProxyNode> = new Set();

/** How long objects are looked at in one go, in milliseconds: pushes and acknowledgements come first. */
const sliceMs = 5;
/** How much longer than it took to look the next look is put off, so that a push of many acknowledgements is not counted at each of them. */
const restFactor = 49;
/** No rest is longer, in milliseconds. */
const maxRestMs = 20;

/** Turns verdicts and the ledger's counts into each object's status, and remembers what must latch. */
export class StatusTracker {
  readonly #options: StatusTrackerOptions;
  readonly #tracked = new Map<ObjectKey, Tracked>();
  readonly #unready = new Set<ObjectKey>();
  readonly #dirty = new Set<ObjectKey>();
  readonly #unresolved = new UnresolvedObjects();
  readonly #watch: SidecarWatch;
  /** By namespace, the proxies that were connected when it was last asked. */
  #proxies: ReadonlyMap<string, ReadonlySet<ProxyNode>> = new Map();
  readonly #listeners = new Set<(key: ObjectKey, status: ObjectStatus | undefined) => void>();
  readonly #unsubscribe: (() => void)[];
  #cancelRecheck: (() => void) | undefined;
  #cancelWork: (() => void) | undefined;
  #restUntilMs = Number.NEGATIVE_INFINITY;
  #standing: (key: ObjectKey) => ObjectStatus | undefined = () => undefined;

  constructor(options: StatusTrackerOptions) {
    this.#options = options;
    const { mesh, ledger } = options;
    this.#watch = new SidecarWatch(mesh);
    this.#unsubscribe = [
      // Thousands at the start: proxies are served before every status is made.
      mesh.verdicts.onChange((key) => this.#updateSoon([key])),
      ledger.onDirty((objects) => {
        // A proxy that comes or goes moves every count, but no latch of what is ready: that is counted when someone asks.
        this.#updateSoon(objects === 'all' ? this.#unready : objects);
        if (objects === 'all') this.#noteProxies();
      }),
    ];
    this.#recheckSoon();
  }

  /** An object's status now; undefined where it is not known. */
  get(key: ObjectKey): ObjectStatus | undefined {
    this.#update(key);
    return this.#tracked.get(key)?.status;
  }

  /** Every known object. */
  keys(): ObjectKey[] {
    return [...this.#options.mesh.verdicts.keys()];
  }

  /**
   * Forgets what was remembered and goes on, object by object, from what was published before: the latch, and when things happened.
   * For a replica that takes over as the leader, and after a restart.
   * @param standing the published status; undefined: there is none
   */
  adopt(standing: (key: ObjectKey) => ObjectStatus | undefined): void {
    this.#standing = standing;
    this.#tracked.clear();
    this.#unready.clear();
    this.#unresolved.clear();
  }

  /** Calls `listener` when a status differs from before; with undefined when the object is gone. Returns the way out. */
  onChange(listener: (key: ObjectKey, status: ObjectStatus | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops listening and waiting. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#watch.close();
    this.#cancelRecheck?.();
    this.#cancelWork?.();
    this.#listeners.clear();
  }

  /** Who is connected decides what a selector finds. */
  #noteProxies(): void {
    const [before, now] = [this.#proxies, Map.groupBy(this.#options.proxies?.() ?? [], ({ namespace }) => namespace)];
    this.#proxies = new Map(now.entries().map(([namespace, nodes]) => [namespace, new Set(nodes)]));
    for (const namespace of new Set([...before.keys(), ...now.keys()])) {
      const [known, present] = [before.get(namespace) ?? none, this.#proxies.get(namespace) ?? none];
      // A proxy that comes back is another one: its labels may be.
      if (known.size !== present.size || !known.isSubsetOf(present)) this.#watch.noteProxies(namespace);
    }
  }

  #updateSoon(keys: Iterable<ObjectKey>): void {
    const { clock } = this.#options;
    for (const key of keys) this.#dirty.add(key);
    if (this.#cancelWork) return;
    const waitMs = this.#restUntilMs - clock.monotonicMs();
    if (waitMs <= 0) this.#work();
    else this.#cancelWork = clock.setTimer(() => this.#work(), waitMs);
  }

  /** Looks at dirty objects for a slice of time, then rests; an idle control plane looks at once. */
  #work(): void {
    const { clock } = this.#options;
    this.#cancelWork = undefined;
    const startedMs = clock.monotonicMs();
    let nowMs = startedMs;
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      this.#update(key);
      nowMs = clock.monotonicMs();
      if (nowMs - startedMs >= sliceMs) break;
    }
    const restMs = Math.min((nowMs - startedMs) * restFactor, maxRestMs);
    this.#restUntilMs = nowMs + restMs;
    if (this.#dirty.size > 0) this.#cancelWork = clock.setTimer(() => this.#work(), restMs);
  }

  #update(key: ObjectKey): void {
    const { mesh, clock } = this.#options;
    const verdict = mesh.verdicts.get(key);
    const before = this.#tracked.get(key);
    if (!verdict) {
      if (!before) return;
      this.#tracked.delete(key);
      this.#unready.delete(key);
      this.#unresolved.set(key, undefined);
      for (const listener of this.#listeners) listener(key, undefined);
      return;
    }
    const intake = mesh.intake(key);
    const isNew = before?.generation !== verdict.generation || before.revision !== intake?.revision;
    const tracked: Tracked =
      before && !isNew
        ? before
        : {
            status: before?.status ?? {},
            generation: verdict.generation,
            revision: intake?.revision,
            startedAtMs: intake?.atMs ?? clock.now(),
            completedAtMs: undefined,
            wasReady: false,
            unreadySinceMs: clock.now(),
            ...(before ? {} : resume(this.#standing(key), verdict)),
          };
    this.#tracked.set(key, tracked);
    this.#write(key, tracked, this.#gather(key, tracked));
  }

  #gather(key: ObjectKey, tracked: Tracked): Gathered {
    const { mesh, ledger, clock } = this.#options;
    const verdict = mesh.verdicts.get(key)!;
    const fragment = mesh.get(key);
    const standing =
      fragment?.kind === 'sidecar' ? judgeSidecar(fragment.sidecar, mesh, this.#options.proxies?.() ?? []) : undefined;
    const propagation = ledger.propagation(key);
    const hosts = mesh.services.outcomes(key);
    const now = clock.now();
    return {
      verdict: standing?.warnings.length ? { ...verdict, findings: [...verdict.findings, ...standing.warnings] } : verdict,
      hosts,
      rival: standing?.rival,
      missingHosts: standing?.missingHosts ?? [],
      selectsNothing:
        standing?.selectsNothing ?? hosts.some(({ service }) => service.spec.workloadSelector && !service.endpoints.length),
      matchablePatches:
        fragment?.kind === 'envoyFilter'
          ? fragment.envoyFilter.patches.filter(({ applyTo }) => applyTo !== 'BOOTSTRAP').map(({ index }) => index)
          : [],
      propagation,
      isServed: (tracked.revision ?? 0) <= propagation.revision && !propagation.lagging,
      wasReady: tracked.wasReady,
      longestWaitMs: propagation.pendingSince === undefined ? 0 : now - propagation.pendingSince,
      ageMs: now - tracked.unreadySinceMs,
    };
  }

  #write(key: ObjectKey, tracked: Tracked, gathered: Gathered): void {
    const { clock, logger } = this.#options;
    const { verdict, propagation } = gathered;
    const now = new Date(clock.now()).toISOString();
    const previous = new Map((tracked.status.conditions ?? []).map((condition) => [condition.type, condition]));
    const conditions = decideConditions(gathered).map((decision): Condition => {
      const earlier = previous.get(decision.type);
      const lastTransitionTime = earlier?.status === decision.status ? (earlier.lastTransitionTime ?? now) : now;
      const { type, status, reason, message } = decision;
      // Spelled out, which takes half the memory of spreading.
      return { type, status, reason, message, observedGeneration: verdict.generation, lastTransitionTime };
    });
    const ready = conditions.find(({ type }) => type === 'Ready')!;
    const wasReady = tracked.wasReady;
    tracked.wasReady = ready.status === 'True';
    if (wasReady && !tracked.wasReady) tracked.unreadySinceMs = clock.now();
    // A proxy that comes when the object is in force already completes no journey.
    if (tracked.wasReady && !wasReady && propagation.affected > 0) tracked.completedAtMs ??= clock.now();
    if (tracked.wasReady) this.#unready.delete(key);
    else this.#unready.add(key);
    const resolved = conditions.find(({ type }) => type === 'ResolvedRefs')!;
    this.#unresolved.set(key, resolved.status === 'False' ? resolved.reason : undefined);
    const status = renderStatus(gathered, conditions, tracked);
    const isChanged = JSON.stringify(status) !== JSON.stringify(tracked.status);
    tracked.status = status;
    if (!isChanged) return;
    if (tracked.wasReady && !wasReady && propagation.affected > 0) {
      const { kind, namespace, name } = parseObjectKey(key);
      logger.info('Propagated', {
        kind,
        namespace,
        name,
        generation: verdict.generation,
        proxies: propagation.affected,
        durationMs: (tracked.completedAtMs ?? clock.now()) - tracked.startedAtMs,
      });
    }
    for (const listener of this.#listeners) listener(key, status);
  }

  #recheckSoon(): void {
    this.#cancelRecheck = this.#options.clock.setTimer(() => {
      this.#updateSoon(this.#unready);
      this.#updateSoon(this.#watch.drain(this.#unresolved.byReason()));
      this.#recheckSoon();
    }, recheckMs);
  }
}

/** What a published status says that must go on: of the same generation the whole journey, of another one since when its conditions hold. */
function resume(standing: ObjectStatus | undefined, { generation, generationInForce }: Verdict): Partial<Tracked> {
  if (!standing?.conditions) return {};
  const { conditions, observedGeneration, propagation } = standing;
  const isSame = observedGeneration === generation && propagation?.generation === (generationInForce ?? generation);
  const startedAtMs = isSame ? Date.parse(propagation.startedAt ?? '') : Number.NaN;
  if (Number.isNaN(startedAtMs)) return { status: { conditions } };
  const completedAtMs = Date.parse(propagation?.completedAt ?? '');
  return {
    status: standing,
    startedAtMs,
    completedAtMs: Number.isNaN(completedAtMs) ? undefined : completedAtMs,
    wasReady: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
  };
}
