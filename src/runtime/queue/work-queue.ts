import type { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { Heap } from './heap.ts';
import { createQueueMetrics, noQueueMetrics, type QueueMetrics } from './queue-metrics.ts';
import { ItemExponentialFailureRateLimiter, type RateLimiter } from './rate-limiter.ts';

/** How a key is added. */
export interface AddOptions {
  /** Higher comes out first. Default 0. */
  readonly priority?: number;
  /** The key is not handed out before this many milliseconds have passed. Default 0. */
  readonly afterMs?: number;
  /** Waits as long as the rate limiter says, or `afterMs` if that is set and shorter. Default false. */
  readonly rateLimited?: boolean;
}

/** The side of a queue that producers see. */
export interface AddingQueue {
  /** Adds the key with priority 0, ready at once. */
  add(key: string): void;
  addWithOptions(options: AddOptions, ...keys: string[]): void;
}

/** A key that was handed out; it is out until `done(key)`. */
export interface QueueItem {
  readonly key: string;
  readonly priority: number;
}

export interface WorkQueueOptions {
  /** Label of the metrics; with `registry` only. */
  readonly name?: string;
  /** Default: per key 5 ms·2ⁿ up to 1,000 s. */
  readonly rateLimiter?: RateLimiter;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Where the queue's metrics are registered. Default: none are kept. */
  readonly registry?: Registry;
}

interface Entry extends QueueItem {
  priority: number;
  /** Order among equals; rises with each add, and again when a delay has passed. */
  order: number;
  /** When the key is ready, on the clock's monotonic scale; undefined once it is. */
  readyAtMs: number | undefined;
  /** When it became ready, for the metric. */
  addedAtMs: number;
  heapIndex: number;
}

/** Longest delay that Node's timers take. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * The per-key work queue of a controller (controller-runtime's priorityqueue).
 *
 * - A key is never out twice at once: one added while it is out is handed out again after `done`.
 * - A key added twice is one item with the higher priority and the earlier ready time.
 * - Higher priorities come out first; within one, first in, first out. A raised key goes to the end of its new priority.
 */
export class WorkQueue implements AddingQueue {
  readonly #clock: Clock;
  readonly #rateLimiter: RateLimiter;
  readonly #metrics: QueueMetrics;
  readonly #entries = new Map<string, Entry>();
  readonly #ready = new Heap<Entry>(readyBefore);
  readonly #waiting = new Heap<Entry>((a, b) => (a.readyAtMs === b.readyAtMs ? readyBefore(a, b) : a.readyAtMs! < b.readyAtMs!));
  /** Ready, but not in the heap, because the key is out. */
  readonly #blocked = new Set<Entry>();
  /** Keys that are out, with the time of handing out. */
  readonly #out = new Map<string, number>();
  readonly #getters: ((item: QueueItem | undefined) => void)[] = [];
  readonly #drained = Promise.withResolvers<void>();
  readonly #stopObserving: () => void;
  #order = 0;
  #cancelTimer: (() => void) | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #state: 'open' | 'draining' | 'shut' = 'open';

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#rateLimiter = options.rateLimiter ?? new ItemExponentialFailureRateLimiter();
    this.#metrics = options.registry ? createQueueMetrics(options.registry, options.name ?? '') : noQueueMetrics;
    this.#stopObserving = this.#metrics.observeInWork(() => {
      const nowMs = this.#clock.monotonicMs();
      return this.#out.values().map((sinceMs) => nowMs - sinceMs);
    });
  }

  /** Items that are ready, including those whose key is still out; not those that wait for their time. */
  get len(): number {
    return this.#ready.size + this.#blocked.size;
  }

  /** Nothing is ready and nothing is out; items may still wait for their time. */
  get idle(): boolean {
    return this.len === 0 && this.#out.size === 0;
  }

  get shuttingDown(): boolean {
    return this.#state !== 'open';
  }

  add(key: string): void {
    this.addWithOptions({}, key);
  }

  /** Does nothing once the queue shuts down. */
  addWithOptions(options: AddOptions, ...keys: string[]): void {
    if (this.#state !== 'open') return;
    for (const key of keys) this.#addOne(key, options);
    this.#serve();
    this.#armTimer();
  }

  /** The next item as soon as there is one; undefined when the queue is shut down, or drained. */
  get(): Promise<QueueItem | undefined> {
    const item = this.tryGet();
    if (item || this.#isOver()) return Promise.resolve(item);
    return new Promise((resolve) => this.#getters.push(resolve));
  }

  /** The next item if one is ready now: saves a worker with much to do the turn of a promise per item. */
  tryGet(): QueueItem | undefined {
    if (this.#state === 'shut') return undefined;
    this.#promote();
    const entry = this.#ready.pop();
    if (!entry) return undefined;
    const nowMs = this.#clock.monotonicMs();
    this.#entries.delete(entry.key);
    this.#out.set(entry.key, nowMs);
    this.#metrics.handedOut(entry.priority, nowMs - entry.addedAtMs);
    return entry;
  }

  /** Work on a key that was handed out has ended. Must be called once for each item, whatever became of it. */
  done(key: string): void {
    const sinceMs = this.#out.get(key);
    if (sinceMs === undefined) return;
    this.#out.delete(key);
    this.#metrics.finished(this.#clock.monotonicMs() - sinceMs);
    const entry = this.#entries.get(key);
    if (entry && this.#blocked.delete(entry)) this.#ready.push(entry);
    this.#serve();
    this.#finishDrain();
  }

  /** The key's failures no longer count for its next rate-limited add. Does not take it out of the queue. */
  forget(key: string): void {
    this.#rateLimiter.forget(key);
  }

  /** Rate-limited adds of the key since it was last forgotten. */
  numRequeues(key: string): number {
    return this.#rateLimiter.numRequeues(key);
  }

  /** Ends the queue at once, as controller-runtime's: later adds are ignored, `get` gives undefined, what is still in it is dropped. */
  shutDown(): void {
    if (this.#state === 'shut') return;
    this.#state = 'shut';
    for (const entry of this.#entries.values()) {
      if (entry.readyAtMs === undefined) this.#metrics.dropped(entry.priority);
    }
    this.#entries.clear();
    this.#blocked.clear();
    this.#ready.clear();
    this.#waiting.clear();
    this.#stopTimer();
    this.#stopObserving();
    this.#drained.resolve();
    for (const resolve of this.#getters.splice(0)) resolve(undefined);
  }

  /** Ends the queue after what is ready or out has been worked on, as client-go's: later adds and whatever waits for its time are dropped. */
  shutDownWithDrain(): Promise<void> {
    if (this.#state === 'open') {
      this.#promote();
      this.#state = 'draining';
      for (let entry = this.#waiting.pop(); entry; entry = this.#waiting.pop()) this.#entries.delete(entry.key);
      this.#stopTimer();
      this.#finishDrain();
    }
    return this.#drained.promise;
  }

  #addOne(key: string, options: AddOptions): void {
    const priority = options.priority ?? 0;
    const nowMs = this.#clock.monotonicMs();
    let afterMs = options.afterMs ?? 0;
    if (options.rateLimited) {
      const limitMs = this.#rateLimiter.whenMs(key);
      if (!(afterMs > 0) || limitMs < afterMs) afterMs = limitMs;
    }
    if (afterMs > 0) this.#metrics.retried();
    const readyAtMs = afterMs > 0 ? nowMs + afterMs : undefined;
    const present = this.#entries.get(key);
    if (!present) {
      const entry: Entry = { key, priority, order: this.#order++, readyAtMs, addedAtMs: nowMs, heapIndex: -1 };
      this.#entries.set(key, entry);
      if (readyAtMs === undefined) this.#makeReady(entry, nowMs);
      else this.#waiting.push(entry);
      return;
    }
    const wasReady = present.readyAtMs === undefined;
    if (wasReady && priority <= present.priority) return;
    if (wasReady) this.#takeReady(present);
    else this.#waiting.remove(present);
    if (priority > present.priority) {
      if (wasReady) this.#metrics.reprioritised(present.priority, priority);
      present.priority = priority;
      present.order = this.#order++;
    }
    if (wasReady) {
      this.#putReady(present);
    } else if (readyAtMs === undefined) {
      this.#makeReady(present, nowMs);
    } else {
      present.readyAtMs = Math.min(present.readyAtMs!, readyAtMs);
      this.#waiting.push(present);
    }
  }

  #makeReady(entry: Entry, nowMs: number): void {
    entry.readyAtMs = undefined;
    entry.addedAtMs = nowMs;
    this.#metrics.added(entry.priority);
    this.#putReady(entry);
  }

  #putReady(entry: Entry): void {
    if (this.#out.has(entry.key)) this.#blocked.add(entry);
    else this.#ready.push(entry);
  }

  #takeReady(entry: Entry): void {
    if (!this.#blocked.delete(entry)) this.#ready.remove(entry);
  }

  /** Moves what has waited long enough to the ready items, in the order of ready times. */
  #promote(): void {
    let first = this.#waiting.peek();
    if (!first) return;
    const nowMs = this.#clock.monotonicMs();
    for (; first && first.readyAtMs! <= nowMs; first = this.#waiting.peek()) {
      this.#waiting.pop();
      first.order = this.#order++;
      this.#makeReady(first, nowMs);
    }
  }

  #serve(): void {
    while (this.#getters.length > 0) {
      const item = this.tryGet();
      if (!item) return;
      this.#getters.shift()!(item);
    }
  }

  #armTimer(): void {
    const dueMs = this.#waiting.peek()?.readyAtMs ?? Number.POSITIVE_INFINITY;
    if (dueMs === this.#timerDueMs) return;
    this.#stopTimer();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timerDueMs = dueMs;
    const delayMs = Math.min(Math.max(0, dueMs - this.#clock.monotonicMs()), maxTimerMs);
    this.#cancelTimer = this.#clock.setTimer(() => {
      this.#cancelTimer = undefined;
      this.#timerDueMs = Number.POSITIVE_INFINITY;
      this.#promote();
      this.#serve();
      this.#armTimer();
    }, delayMs);
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
  }

  #isOver(): boolean {
    return this.#state === 'shut' || (this.#state === 'draining' && this.#entries.size === 0 && this.#out.size === 0);
  }

  #finishDrain(): void {
    if (this.#state === 'draining' && this.#isOver()) this.shutDown();
  }
}

function readyBefore(a: Entry, b: Entry): boolean {
  return a.priority === b.priority ? a.order < b.order : a.priority > b.priority;
}
