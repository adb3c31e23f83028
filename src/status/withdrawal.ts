import type { MeshKind } from '../api/kind.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { type ObjectKey, parseObjectKey } from '../mesh/object-key.ts';
import type { Cache } from '../runtime/cache/cache.ts';
import { isInvalid } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import type { EventRecorder } from '../runtime/events/event-recorder.ts';
import { addFinalizer, containsFinalizer, removeFinalizer } from '../runtime/finalizer.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import type { DeepReadonly } from '../runtime/object.ts';
import { ItemExponentialFailureRateLimiter } from '../runtime/queue/rate-limiter.ts';
import { WorkQueue } from '../runtime/queue/work-queue.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { PropagationSource, PropagationTotal } from './propagation-source.ts';
import { type PublishedObject, PublishedStatus } from './published-status.ts';

/** Set to `"true"` on an object whose deletion is to last until no proxy has what it brought. */
export const waitForWithdrawalAnnotation = 'weft.dev/wait-for-withdrawal';

/** What such an object carries until then. */
export const withdrawalFinalizer = 'weft.dev/withdrawal';

export interface WithdrawalOptions {
  /** Filled with `kinds`. */
  readonly cache: Cache;
  readonly client: Pick<Client, 'getLive' | 'patch'>;
  readonly kinds: readonly MeshKind[];
  readonly mesh: Mesh;
  /** The counts of all replicas. */
  readonly propagation: PropagationSource;
  readonly recorder: Pick<EventRecorder, 'record'>;
  /** How long an object's end is held up at most, in milliseconds from when this leader saw it being deleted. Default 60,000. */
  readonly deadlineMs?: number;
  /** Asked before each write. Default: true. */
  readonly isLeading?: () => boolean;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** A deleted object of which proxies may still hold something. */
interface Leaving {
  readonly object: DeepReadonly<PublishedObject>;
  readonly sinceMs: number;
  /** The most proxies that were seen to have it. */
  proxies: number;
  /** The mesh's revision when it was first seen without the object; counts of an older one do not say that proxies have dropped it. */
  goneAtRevision: number | undefined;
  /** The last proxy has dropped it, and that was told. */
  isDropped: boolean;
  /** Its deadline was told. */
  isOverdue: boolean;
}

/** Deleted objects without finalizer that are followed for their Event, at most. */
const followedAtMost = 10_000;
/** How often what has not been dropped is looked at when nothing is heard of it. */
const recheckMs = 1_000;

/**
 * Follows deleted objects until the last proxy on any replica has dropped what they brought, for one term of leadership: says so in
 * an Event, and holds up the end of those that ask for it by a finalizer, so that `kubectl delete` returns when it is true.
 */
export class Withdrawal implements Runnable {
  readonly name = 'withdrawal';
  readonly group = 'leader';
  readonly #options: WithdrawalOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #published: PublishedStatus;
  readonly #queue: WorkQueue;
  readonly #leaving = new Map<ObjectKey, Leaving>();
  /** Objects with our finalizer that left the cache without having been deleted: nobody would take it away later. */
  readonly #outOfSight = new Set<ObjectKey>();

  constructor(options: WithdrawalOptions) {
    const { clock = systemClock, logger = silentLogger } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#published = new PublishedStatus(options.cache, options.kinds);
    this.#queue = new WorkQueue({ clock, rateLimiter: new ItemExponentialFailureRateLimiter(50, 30_000) });
  }

  /** As {@link Runnable.start}. Never rejects: what fails is logged and tried again. */
  async start(signal: AbortSignal): Promise<void> {
    const { mesh, propagation } = this.#options;
    const unsubscribe = [
      this.#published.onChange((key, event, object) => this.#note(key, event, object)),
      mesh.verdicts.onChange((key) => this.#look(key)),
      propagation.onDirty((objects) => {
        for (const key of objects === 'all' ? [...this.#leaving.keys()] : objects) this.#look(key);
      }),
    ];
    let cancel = () => {};
    const recheck = () => {
      for (const key of [...this.#leaving.keys()]) this.#look(key);
      cancel = this.#clock.setTimer(recheck, recheckMs);
    };
    recheck();
    const onAbort = () => this.#queue.shutDown();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    for (let item = await this.#queue.get(); item; item = await this.#queue.get()) {
      try {
        await this.#settle(item.key, signal);
        this.#queue.forget(item.key);
      } catch (error) {
        // Somebody else changed the finalizers: the cache is about to tell.
        if (!isInvalid(error) && !signal.aborted) {
          this.#logger.warn('A finalizer was not written; it is tried again', { object: item.key, error });
        }
        this.#queue.addWithOptions({ rateLimited: true }, item.key);
      }
      this.#queue.done(item.key);
    }
    signal.removeEventListener('abort', onAbort);
    cancel();
    for (const end of unsubscribe) end();
  }

  #note(key: ObjectKey, event: 'applied' | 'deleted', object: DeepReadonly<PublishedObject>): void {
    const isDeleted = object.metadata.deletionTimestamp !== undefined;
    const isHeld = containsFinalizer(object, withdrawalFinalizer);
    if (event === 'deleted' && !isDeleted && isHeld) {
      this.#outOfSight.add(key);
      this.#queue.add(key);
    }
    if (event === 'deleted' && this.#leaving.get(key)?.isDropped) this.#leaving.delete(key);
    else if (event === 'deleted' || isDeleted) this.#follow(key, object);
    // Another object of the name: what the one before brought cannot be told from what this one brings.
    else this.#leaving.delete(key);
    if (event === 'applied' && !isDeleted && isHeld !== asksToWait(object)) this.#queue.add(key);
  }

  #follow(key: ObjectKey, object: DeepReadonly<PublishedObject>): void {
    const known = this.#leaving.get(key);
    if (known && known.object.metadata.uid === object.metadata.uid) return;
    const isHeld = containsFinalizer(object, withdrawalFinalizer);
    if (!isHeld && this.#leaving.size >= followedAtMost) return;
    const proxies = object.status?.propagation?.affected ?? 0;
    this.#leaving.set(key, {
      object,
      sinceMs: this.#clock.monotonicMs(),
      proxies,
      goneAtRevision: undefined,
      isDropped: false,
      isOverdue: false,
    });
    this.#look(key);
  }

  /** Whether anything is to be done about a deleted object now. */
  #look(key: ObjectKey): void {
    const leaving = this.#leaving.get(key);
    if (!leaving || leaving.isDropped) return;
    const counts = this.#options.propagation.propagation(key);
    leaving.proxies = Math.max(leaving.proxies, counts.affected);
    const tookMs = this.#clock.monotonicMs() - leaving.sinceMs;
    if (this.#isDropped(key, leaving, counts)) {
      leaving.isDropped = true;
      // What is still there is to be told of once only: it leaves the API server later, by our finalizer or another.
      if (!this.#published.find(key)) this.#leaving.delete(key);
      if (leaving.proxies > 0) {
        const proxies = leaving.proxies === 1 ? '1 proxy' : `${leaving.proxies} proxies`;
        const note = `dropped by ${proxies} in ${(tookMs / 1000).toFixed(1)} s`;
        this.#options.recorder.record(leaving.object, { type: 'Normal', reason: 'Withdrawn', note });
      }
      this.#queue.add(key);
    } else if (tookMs >= (this.#options.deadlineMs ?? 60_000) && !leaving.isOverdue) {
      leaving.isOverdue = true;
      const who = counts.laggards.length > 0 ? ` by ${counts.laggards.join(', ')}` : '';
      const held = containsFinalizer(leaving.object, withdrawalFinalizer) ? '; the object is let go nevertheless' : '';
      const note = `not dropped${who} after ${Math.round(tookMs / 1000)} s (${counts.affected} proxies still have it)${held}`;
      this.#options.recorder.record(leaving.object, { type: 'Warning', reason: 'WithdrawalOverdue', note });
      this.#queue.add(key);
    }
  }

  #isDropped(key: ObjectKey, leaving: Leaving, { affected, lagging, revision }: PropagationTotal): boolean {
    const { mesh } = this.#options;
    if (mesh.get(key) || mesh.verdicts.get(key)) return false;
    leaving.goneAtRevision ??= mesh.revision;
    return revision >= leaving.goneAtRevision && affected === 0 && !lagging;
  }

  /** Brings an object's finalizer in line with what it asks for and what has become of it. */
  async #settle(key: ObjectKey, signal: AbortSignal): Promise<void> {
    const { client, isLeading } = this.#options;
    if (isLeading?.() === false) return;
    const found = this.#published.find(key);
    if (!found) return this.#releaseOutOfSight(key, signal);
    this.#outOfSight.delete(key);
    const { kind, object } = found;
    if (object.metadata.deletionTimestamp === undefined) {
      if (asksToWait(object)) await addFinalizer(client, kind, object, withdrawalFinalizer, { signal });
      else await removeFinalizer(client, kind, object, withdrawalFinalizer, { signal });
      return;
    }
    const leaving = this.#leaving.get(key);
    if (leaving && !leaving.isDropped && !leaving.isOverdue) return;
    await removeFinalizer(client, kind, object, withdrawalFinalizer, { signal });
  }

  async #releaseOutOfSight(key: ObjectKey, signal: AbortSignal): Promise<void> {
    if (!this.#outOfSight.has(key)) return;
    const { client, kinds } = this.#options;
    const { kind: kindName, namespace, name } = parseObjectKey(key);
    const kind = kinds.find(({ kind }) => kind === kindName)!;
    const live = await client.getLive(kind, `${namespace}/${name}`, { signal });
    if (live) await removeFinalizer(client, kind, live, withdrawalFinalizer, { signal });
    this.#outOfSight.delete(key);
  }
}

const asksToWait = ({ metadata }: DeepReadonly<PublishedObject>) =>
  metadata.annotations?.[waitForWithdrawalAnnotation] === 'true';
