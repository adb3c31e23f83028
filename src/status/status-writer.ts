import type { MeshKind } from '../api/kind.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { sleep } from '../runtime/abort.ts';
import type { Cache } from '../runtime/cache/cache.ts';
import { ApiError, ignoreNotFound, isConflict, isNotFound, lacksPermission } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { type DeepReadonly, objectName } from '../runtime/object.ts';
import { ItemExponentialFailureRateLimiter } from '../runtime/queue/rate-limiter.ts';
import { WorkQueue } from '../runtime/queue/work-queue.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { compareStatus, type Difference, statusPatch } from './compare-status.ts';
import type { PropagationSource } from './propagation-source.ts';
import { type PublishedObject, PublishedStatus } from './published-status.ts';
import type { ObjectStatus } from './render-status.ts';
import type { StatusTracker } from './status-tracker.ts';
import { TokenBucket } from './token-bucket.ts';

/** The field manager under which statuses are written. */
export const statusFieldManager = 'weft-status';

export interface StatusWriterOptions {
  readonly tracker: Pick<StatusTracker, 'adopt' | 'get' | 'keys' | 'onChange'>;
  /** The tracker's source: tells when counts of any object may have moved. */
  readonly propagation: Pick<PropagationSource, 'onDirty'>;
  /** Filled with `kinds`, their status kept. */
  readonly cache: Cache;
  readonly client: Pick<Client, 'getLive' | 'status'>;
  readonly kinds: readonly MeshKind[];
  /** Asked before each write: the lease may be lost before anybody is told. Default: true. */
  readonly isLeading?: () => boolean;
  /** Writes a second over all objects. Default 20. */
  readonly writesPerSecond?: number;
  /** Writes at once after a pause. Default 50. */
  readonly burst?: number;
  /** Between two writes of one object, in milliseconds. Default 1,000. */
  readonly objectIntervalMs?: number;
  /** When counts that differ by less than a tenth are written after all, in milliseconds. Default 5 minutes. */
  readonly smallStepAfterMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** Hears of a status that was written: the object, and its status before and after. */
export type WriteListener = (
  key: ObjectKey,
  object: DeepReadonly<PublishedObject>,
  before: ObjectStatus | undefined,
  after: ObjectStatus,
) => void;

/** A change somebody waits for comes before progress of it, that before what is found by comparing everything. */
const priorities: Readonly<Record<Exclude<Difference, 'none'>, number>> = { transition: 0, step: -50, small: -200 };
const sweepPriority = -100;

const workers = 4;
/** How often a conflict is read and written again at once. */
const conflictTries = 5;
/** How long a kind is left alone that may not be written. */
const forbiddenMs = 30_000;
/** Comparing everything takes at most this share of the event loop's time. */
const [sliceMs, pauseMs] = [5, 45];
/** After counts of any object may have moved, this long is waited for more of that. */
const gatherMs = 1_000;
/** How long a write that is on its way may take after the stop. */
const finishMs = 2_000;

/**
 * Publishes statuses in the `/status` of their objects, for one term of leadership (wrap it in `eachTerm`). It compares everything
 * with what stands there when the term begins, and writes afterwards what differs enough: by merge patch, so that other writers'
 * conditions and fields stay, and with the resource version, so that none of theirs is overwritten unseen.
 */
export class StatusWriter implements Runnable {
  readonly name = 'status writer';
  readonly group = 'leader';
  readonly #options: StatusWriterOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #published: PublishedStatus;
  readonly #queue: WorkQueue;
  readonly #bucket: TokenBucket;
  readonly #listeners = new Set<WriteListener>();
  /** When objects were written, on the monotonic clock, the earliest first; only those of the last interval. */
  readonly #writtenMs = new Map<ObjectKey, number>();
  /** Since when counts have differed by a small step. */
  readonly #smallSinceMs = new Map<ObjectKey, number>();
  readonly #forbiddenUntilMs = new Map<string, number>();
  /** Kinds whose status the API server does not serve, by name. */
  readonly #unserved = new Set<string>();
  #isSweeping = false;
  #requestSweep = () => {};

  constructor(options: StatusWriterOptions) {
    const { clock = systemClock, logger = silentLogger, writesPerSecond = 20, burst = 50 } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#published = new PublishedStatus(options.cache, options.kinds);
    this.#bucket = new TokenBucket(writesPerSecond, burst, clock);
    this.#queue = new WorkQueue({ clock, rateLimiter: new ItemExponentialFailureRateLimiter(500, 60_000) });
  }

  /** Calls `listener` after each write, until {@link start} ends. Returns the way out. */
  onWritten(listener: WriteListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * As {@link Runnable.start}. Never rejects: what fails is logged and tried again. After the stop nothing new is written, but what is
   * on its way is waited for: the next leader tells nothing of what it finds published.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { tracker, propagation } = this.#options;
    if (signal.aborted) return;
    tracker.adopt((key) => this.#published.get(key));
    let isListed = false;
    const unsubscribe = [
      tracker.onChange((key, status) => {
        if (!status) this.#forget(key);
        else this.#consider(key, status, this.#isSweeping);
      }),
      propagation.onDirty((objects) => {
        if (objects === 'all') this.#requestSweep();
      }),
      // Also how another writer's hand on what is ours is noticed. What is there already is left to the sweep below.
      this.#published.onChange((key, event) => {
        if (event === 'applied' && isListed) this.#compare(key);
      }),
    ];
    isListed = true;
    const writes = new AbortController();
    let cancel = () => {};
    const onAbort = () => {
      this.#queue.shutDown();
      this.#requestSweep();
      cancel = this.#clock.setTimer(() => writes.abort(signal.reason), finishMs);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const working = Array.from({ length: workers }, () => this.#work(signal, writes.signal));
    await this.#sweepWhenDue(signal);
    await Promise.all(working);
    signal.removeEventListener('abort', onAbort);
    cancel();
    for (const end of unsubscribe) end();
    this.#listeners.clear();
  }

  async #sweepWhenDue(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const next = new Promise<void>((resolve) => {
        this.#requestSweep = resolve;
      });
      let sliceEndMs = this.#clock.monotonicMs() + sliceMs;
      for (const key of this.#options.tracker.keys()) {
        this.#compare(key);
        if (this.#clock.monotonicMs() < sliceEndMs) continue;
        await sleep(this.#clock, pauseMs, signal);
        if (signal.aborted) return;
        sliceEndMs = this.#clock.monotonicMs() + sliceMs;
      }
      await next;
      await sleep(this.#clock, gatherMs, signal);
    }
  }

  /** Compares an object that nothing is known to have happened to. */
  #compare(key: ObjectKey): void {
    const outer = this.#isSweeping;
    this.#isSweeping = true;
    const status = this.#options.tracker.get(key);
    if (status) this.#consider(key, status, true);
    this.#isSweeping = outer;
  }

  #consider(key: ObjectKey, status: ObjectStatus, isSwept: boolean): void {
    const found = this.#published.find(key);
    if (!found) return;
    const difference = this.#differenceOf(key, found.object, status);
    if (difference === 'none') return;
    const priority = isSwept ? Math.min(sweepPriority, priorities[difference]) : priorities[difference];
    this.#queue.addWithOptions({ priority, afterMs: this.#waitMs(key, difference) }, key);
  }

  #differenceOf(key: ObjectKey, { status }: DeepReadonly<PublishedObject>, wanted: ObjectStatus): Difference {
    const difference = compareStatus(status, wanted);
    if (difference !== 'small') this.#smallSinceMs.delete(key);
    else if (!this.#smallSinceMs.has(key)) this.#smallSinceMs.set(key, this.#clock.monotonicMs());
    return difference !== 'none' && this.#published.isCutShort(key, wanted) ? 'none' : difference;
  }

  /** How long until the object may be written, or should be. */
  #waitMs(key: ObjectKey, difference: Difference): number {
    const { objectIntervalMs = 1_000, smallStepAfterMs = 300_000 } = this.#options;
    const nowMs = this.#clock.monotonicMs();
    const writtenMs = this.#writtenMs.get(key) ?? Number.NEGATIVE_INFINITY;
    const dueMs = difference === 'small' ? (this.#smallSinceMs.get(key) ?? nowMs) + smallStepAfterMs : nowMs;
    return Math.max(0, writtenMs + objectIntervalMs - nowMs, dueMs - nowMs);
  }

  async #work(signal: AbortSignal, writes: AbortSignal): Promise<void> {
    for (;;) {
      await this.#bucket.available(signal);
      const item = await this.#queue.get();
      if (!item) return;
      try {
        await this.#publish(item.key, item.priority, signal, writes);
      } catch (error) {
        if (!signal.aborted) this.#retry(item.key, item.priority, error);
      }
      this.#queue.done(item.key);
    }
  }

  async #publish(key: ObjectKey, priority: number, signal: AbortSignal, writes: AbortSignal): Promise<void> {
    const wanted = this.#options.tracker.get(key);
    const found = this.#published.find(key);
    if (!wanted || !found) return this.#forget(key);
    const { kind } = found;
    const forbiddenMs = (this.#forbiddenUntilMs.get(kind.kind) ?? 0) - this.#clock.monotonicMs();
    const difference = this.#differenceOf(key, found.object, wanted);
    if (difference === 'none') return this.#queue.forget(key);
    const afterMs = Math.max(this.#waitMs(key, difference), forbiddenMs);
    if (afterMs > 0) return this.#queue.addWithOptions({ priority, afterMs }, key);

    let object = found.object;
    for (let tries = 1; ; tries++) {
      let isMissing = false;
      if (signal.aborted || this.#options.isLeading?.() === false) return;
      try {
        const after = await this.#patch(key, kind, object, wanted, writes);
        this.#published.wrote(key, wanted, after);
        this.#queue.forget(key);
        this.#smallSinceMs.delete(key);
        this.#forbiddenUntilMs.delete(kind.kind);
        this.#unserved.delete(kind.kind);
        this.#tell(key, object, after, wanted);
        break;
      } catch (error) {
        isMissing = isNotFound(error);
        if (isMissing && this.#unserved.has(kind.kind)) return this.#forget(key);
        if (!isMissing && (!isConflict(error) || tries >= conflictTries)) throw error;
      }
      const live = await ignoreNotFound(this.#options.client.getLive(kind, objectName(object), { signal }));
      // Gone, or another one of the same name, of which the cache has yet to tell.
      if (!live || live.metadata.uid !== object.metadata.uid || live.metadata.deletionTimestamp) return this.#forget(key);
      if (isMissing) return this.#noteUnserved(key, kind);
      const earlier = object;
      object = live as PublishedObject;
      if (compareStatus(object.status as ObjectStatus | undefined, wanted) !== 'none') continue;
      // The client sends a patch again whose answer did not come: then the first one is what it conflicts with.
      this.#tell(key, earlier, object, wanted);
      return this.#queue.forget(key);
    }
    // What has changed meanwhile was asked for while this key was out, and waits its interval.
    const latest = this.#options.tracker.get(key);
    if (latest) this.#consider(key, latest, false);
  }

  #tell(key: ObjectKey, before: DeepReadonly<PublishedObject>, after: DeepReadonly<PublishedObject>, wanted: ObjectStatus): void {
    const status = before.status as ObjectStatus | undefined;
    for (const listener of this.#listeners) listener(key, after, status?.conditions ? status : undefined, wanted);
  }

  async #patch(
    key: ObjectKey,
    kind: MeshKind,
    object: DeepReadonly<PublishedObject>,
    wanted: ObjectStatus,
    signal: AbortSignal,
  ): Promise<PublishedObject> {
    this.#bucket.take();
    this.#noteWrite(key);
    const { resourceVersion } = object.metadata;
    const value = { metadata: { resourceVersion }, status: statusPatch(object.status as ObjectStatus | undefined, wanted) };
    const options = { fieldManager: statusFieldManager, signal };
    return (await this.#options.client
      .status(kind)
      .patch(objectName(object), { type: 'merge', value }, options)) as PublishedObject;
  }

  #noteWrite(key: ObjectKey): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [other, atMs] of this.#writtenMs) {
      if (nowMs - atMs < (this.#options.objectIntervalMs ?? 1_000)) break;
      this.#writtenMs.delete(other);
    }
    this.#writtenMs.delete(key);
    this.#writtenMs.set(key, nowMs);
  }

  #retry(key: ObjectKey, priority: number, error: unknown): void {
    if (lacksPermission(error)) {
      this.#noteForbidden(key, error);
      this.#queue.addWithOptions({ priority, afterMs: forbiddenMs }, key);
      return;
    }
    const afterMs = error instanceof ApiError ? error.retryAfterMs : undefined;
    if (!isConflict(error)) this.#logger.warn('A status was not written; it is tried again', { object: key, error });
    if (afterMs !== undefined) this.#queue.addWithOptions({ priority, afterMs }, key);
    else this.#queue.addWithOptions({ priority, rateLimited: true }, key);
  }

  #noteForbidden(key: ObjectKey, error: ApiError): void {
    const kind = key.slice(0, key.indexOf('/'));
    const isKnown = this.#forbiddenUntilMs.has(kind);
    this.#forbiddenUntilMs.set(kind, this.#clock.monotonicMs() + forbiddenMs);
    if (isKnown) return;
    const { verb, resource } = error.request;
    this.#logger.error('Statuses of a kind may not be written', { kind, verb, resource, error });
  }

  /** The object is there, but its status is not: nobody would learn from it why. */
  #noteUnserved(key: ObjectKey, { kind, plural, group }: MeshKind): void {
    this.#forget(key);
    this.#unserved.add(kind);
    const crd = `${plural}.${group}`;
    const problem = `the CRD ${crd} has no status subresource; apply Weft's or Istio's own`;
    this.#logger.error('Statuses of a kind cannot be written', { kind, problem });
  }

  #forget(key: ObjectKey): void {
    this.#queue.forget(key);
    this.#smallSinceMs.delete(key);
  }
}
