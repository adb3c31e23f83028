import { hostname } from 'node:os';
import { callWithin, sleep } from '../abort.ts';
import { ApiError, isAlreadyExists, isNamespaceTerminating, isNotFound, isTooManyRequests } from '../client/api-error.ts';
import { Backoff } from '../client/backoff.ts';
import type { Client } from '../client/client.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import { microTime } from '../micro-time.ts';
import { type DeepReadonly, type KubernetesObject, objectName } from '../object.ts';
import { BucketRateLimiter } from '../queue/rate-limiter.ts';
import type { Runnable } from '../runnable.ts';
import { ObjectBudgets } from './object-budgets.ts';
import {
  type EventReporter,
  eventKind,
  makeEvent,
  type Occurrence,
  occurrenceKey,
  type RecordedEvent,
  referenceKey,
} from './recorded-event.ts';

export interface EventRecorderOptions {
  readonly client: Pick<Client, 'create' | 'patch'>;
  /** A qualified name: `example.com/operator`, or one word. */
  readonly controller: string;
  /** Default: the controller's name and the host's. */
  readonly instance?: string;
  /** New events about one object at once; after those, one every `refillMs`. Default 25, as in client-go. */
  readonly burstPerObject?: number;
  /** Default 5 minutes, as in client-go. */
  readonly refillMs?: number;
  /** Writes to the API server a second, after a burst of ten times as many. Default 10. */
  readonly writesPerSecond?: number;
  /** Events whose repetitions are counted, and events that wait to be written, at most. Default 1,000. */
  readonly capacity?: number;
  /** How often a growing count is written; the first repetition is written at once. Default 60 s. */
  readonly seriesIntervalMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** An event and how often it has occurred. */
interface Tally {
  readonly key: string;
  readonly event: RecordedEvent;
  count: number;
  lastMs: number;
  /** The count that the API server has; 0: it does not have the event. */
  written: number;
  failures: number;
}

/** An event that has not occurred again for this long begins anew. client-go's. */
const seriesEndMs = 6 * 60_000;

/** Failed writes after which an event is given up. client-go's. */
const maxFailures = 12;

/** How long one write may take. */
const writeLimitMs = 10_000;

/** How long the last writes may take after the stop. */
const flushMs = 2_000;

/**
 * Writes what happens to objects as Events, in the background: recording never waits and never fails. Occurrences that say the same
 * about the same object become one Event with a count. What comes too fast, or while the API server is away for long, is dropped
 * and the log says so: events are for people; what must not get lost belongs into status.
 */
export class EventRecorder implements Runnable {
  readonly name: string;
  /** Started before those that record, stopped after them. */
  readonly group = 'server';
  readonly #client: Pick<Client, 'create' | 'patch'>;
  readonly #reporter: EventReporter;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #capacity: number;
  readonly #seriesIntervalMs: number;
  /** The least recently repeated first. */
  readonly #tallies = new Map<string, Tally>();
  readonly #queue = new Set<Tally>();
  readonly #budgets: ObjectBudgets;
  readonly #writes: BucketRateLimiter;
  readonly #backoff = new Backoff({ baseMs: 1_000, maxMs: 10_000 });
  #wake = () => {};
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    const { controller, clock = systemClock, logger = silentLogger, writesPerSecond = 10 } = options;
    this.name = `event recorder ${controller}`;
    this.#client = options.client;
    this.#reporter = { controller, instance: (options.instance ?? `${controller}-${hostname()}`).slice(0, 128) };
    this.#clock = clock;
    this.#logger = logger;
    this.#capacity = options.capacity ?? 1_000;
    this.#seriesIntervalMs = options.seriesIntervalMs ?? 60_000;
    this.#budgets = new ObjectBudgets(options.burstPerObject ?? 25, options.refillMs ?? 300_000, clock);
    this.#writes = new BucketRateLimiter(writesPerSecond, writesPerSecond * 10, clock);
  }

  /** Says that this has happened to the object. Returns at once, also before {@link start}. */
  record(object: DeepReadonly<KubernetesObject>, occurrence: Occurrence): void {
    const nowMs = this.#clock.now();
    const key = occurrenceKey(object, occurrence);
    const known = this.#tallies.get(key);
    if (known && nowMs - known.lastMs < seriesEndMs) {
      known.count++;
      known.lastMs = nowMs;
      this.#tallies.delete(key);
      this.#tallies.set(key, known);
      if (known.written === 1) this.#enqueue(known);
      return;
    }
    if (this.#queue.size >= this.#capacity || !this.#budgets.tryTake(referenceKey(object))) {
      if (this.#dropped++ === 0)
        this.#logger.warn('Too many events, dropping some', { object: objectName(object), reason: occurrence.reason });
      return;
    }
    const event = makeEvent(object, occurrence, this.#reporter, nowMs);
    const first: Tally = { key, event, count: 1, lastMs: nowMs, written: 0, failures: 0 };
    this.#tallies.set(key, first);
    this.#enqueue(first);
    if (this.#tallies.size > this.#capacity) this.#forget(this.#tallies.values().next().value!);
  }

  /** As {@link Runnable.start}. Writes what was recorded before, too; after the stop what is left is tried for a moment. */
  async start(signal: AbortSignal): Promise<void> {
    const cancelSweeps = this.#sweepRegularly();
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      const [tally] = this.#queue;
      if (!tally) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const waitMs = this.#writes.whenMs('');
      if (waitMs > 0) await sleep(this.#clock, waitMs, signal);
      if (signal.aborted) break;
      // It stays in the queue meanwhile, so that nobody queues it a second time.
      const done = await this.#write(tally, signal);
      this.#queue.delete(tally);
      if (done) {
        this.#backoff.reset();
        if (tally.written === 1 && tally.count > 1) this.#enqueue(tally);
      } else {
        this.#queue.add(tally);
        await sleep(this.#clock, this.#backoff.next(), signal);
      }
    }
    cancelSweeps();
    signal.removeEventListener('abort', onAbort);
    await this.#flush();
  }

  #enqueue(tally: Tally): void {
    this.#queue.add(tally);
    this.#wake();
  }

  /** Its repetitions are not counted any more, but what was counted is written. */
  #forget(tally: Tally): void {
    this.#tallies.delete(tally.key);
    if (tally.count > tally.written) this.#enqueue(tally);
  }

  #sweepRegularly(): () => void {
    let cancel = () => {};
    const sweep = () => {
      cancel = this.#clock.setTimer(sweep, this.#seriesIntervalMs);
      for (const tally of this.#tallies.values()) {
        if (tally.count > tally.written) this.#enqueue(tally);
        if (this.#clock.now() - tally.lastMs >= seriesEndMs) this.#tallies.delete(tally.key);
      }
      this.#budgets.sweep();
      if (this.#dropped > 0) this.#logger.warn('Events were dropped', { count: this.#dropped });
      this.#dropped = 0;
    };
    cancel = this.#clock.setTimer(sweep, this.#seriesIntervalMs);
    return () => cancel();
  }

  /** Resolves to false if the write should be tried again. Never rejects. */
  async #write(tally: Tally, signal: AbortSignal): Promise<boolean> {
    const { count } = tally;
    try {
      await this.#send(tally, signal);
      tally.failures = 0;
      tally.written = count;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (isAlreadyExists(error)) {
        // An earlier try arrived whose answer did not.
        tally.written = 1;
        return true;
      }
      const refused = error instanceof ApiError && error.status < 500 && !isTooManyRequests(error);
      if (!refused && ++tally.failures < maxFailures) return false;
      this.#tallies.delete(tally.key);
      tally.written = tally.count;
      // Where a namespace goes with all that is in it, nobody misses its Events.
      const level = isNamespaceTerminating(error) ? 'debug' : 'error';
      this.#logger[level]('Event not written', { error, reason: tally.event.reason, object: tally.event.regarding });
      return true;
    }
  }

  async #send(tally: Tally, parent: AbortSignal): Promise<void> {
    const { event, count, lastMs } = tally;
    const series = count > 1 ? { count, lastObservedTime: microTime(lastMs) } : undefined;
    const call = { clock: this.#clock, limitMs: writeLimitMs, parent, what: `write event ${event.reason}` };
    if (tally.written > 0) {
      const patch = { type: 'merge', value: { series } } as const;
      try {
        await callWithin(call, (signal) => this.#client.patch(eventKind, objectName(event), patch, { signal }));
        return;
      } catch (error) {
        // The API server forgets events after an hour.
        if (!isNotFound(error)) throw error;
        tally.written = 0;
      }
    }
    await callWithin(call, (signal) => this.#client.create(eventKind, { ...event, ...(series && { series }) }, { signal }));
  }

  async #flush(): Promise<void> {
    const limit = new AbortController();
    const cancel = this.#clock.setTimer(() => limit.abort(new Error('the recorder stops')), flushMs);
    const left = new Set([...this.#queue, ...[...this.#tallies.values()].filter(({ count, written }) => count > written)]);
    this.#queue.clear();
    for (const tally of left) if (limit.signal.aborted || !(await this.#write(tally, limit.signal))) break;
    cancel();
  }
}
