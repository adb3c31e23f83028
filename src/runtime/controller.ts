import { randomUUID } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { type ControllerMetrics, createControllerMetrics, noControllerMetrics } from './controller-metrics.ts';
import type { Event } from './event.ts';
import { type EventHandler, lowPriority, queueForEvent } from './event-handler.ts';
import { type Logger, silentLogger } from './logger.ts';
import { type KubernetesObject, type ObjectName, parseObjectName } from './object.ts';
import type { Predicate } from './predicate.ts';
import type { RateLimiter } from './queue/rate-limiter.ts';
import { type QueueItem, WorkQueue } from './queue/work-queue.ts';
import { isTerminal, type ReconcileContext, type Reconciler, type Result } from './reconciler.ts';
import type { Runnable } from './runnable.ts';
import type { Source } from './source.ts';
import { TurnBudget } from './turn-budget.ts';

export interface ControllerOptions {
  /** For logs and metrics; unique in the process. */
  readonly name: string;
  readonly group: Runnable['group'];
  readonly reconciler: Reconciler;
  /** Reconciles of distinct objects that may be under way at once. Default 1. */
  readonly maxConcurrentReconciles?: number;
  /** Priority of objects of the first list and of updates that changed nothing. Default -100, below every live change. */
  readonly priorityForInitialList?: number;
  /** How long sources may take to start and deliver their first list before {@link Controller.start} rejects. Default 2 minutes. */
  readonly cacheSyncTimeoutMs?: number;
  /** The reconcile's signal aborts after this long; it is up to the reconciler to heed it. Default: no limit. */
  readonly reconciliationTimeoutMs?: number;
  /** Delays after failures. Default: per key 5 ms·2ⁿ up to 1,000 s. */
  readonly rateLimiter?: RateLimiter;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Where metrics are registered. Default: none are kept. */
  readonly registry?: Registry;
}

interface Watch {
  readonly source: Source;
  readonly listener: (event: Event) => void;
}

/** Brings events of its sources into a queue of names and runs the reconciler on them, each name by one worker at a time. */
export class Controller implements Runnable {
  readonly name: string;
  readonly group: Runnable['group'];
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: ControllerMetrics;
  readonly #queue: WorkQueue;
  readonly #workers: number;
  readonly #budget = new TurnBudget();
  readonly #watches: Watch[] = [];
  readonly #caughtUp = Promise.withResolvers<void>();
  #signal: AbortSignal | undefined;

  constructor(options: ControllerOptions) {
    const { name, group, registry, rateLimiter, clock = systemClock, logger = silentLogger } = options;
    this.name = name;
    this.group = group;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger.child({ controller: name });
    this.#workers = options.maxConcurrentReconciles ?? 1;
    if (!Number.isInteger(this.#workers) || this.#workers < 1) {
      throw new Error(`controller ${name}: maxConcurrentReconciles must be a whole number from 1, is ${this.#workers}`);
    }
    this.#metrics = registry ? createControllerMetrics(registry, name, this.#workers) : noControllerMetrics;
    this.#queue = new WorkQueue({ name, rateLimiter, clock, registry });
  }

  /**
   * Lets the source's events that pass every predicate reach the handler. Before {@link start}: the source starts with the controller,
   * which waits for it. Afterwards: it starts at once, and a failure to do so is logged.
   */
  watch<T extends KubernetesObject>(source: Source<T>, handler: EventHandler<T>, ...predicates: Predicate<T>[]): void {
    const unchanged = this.#options.priorityForInitialList ?? lowPriority;
    const listener = (event: Event<T>) => {
      try {
        if (predicates.every((predicate) => predicate(event))) handler(event, queueForEvent(this.#queue, event, unchanged));
      } catch (error) {
        this.#logger.error('Event handler failed', { error, source: source.name, event: event.type });
      }
    };
    const watch = { source, listener } as unknown as Watch;
    if (!this.#signal) return void this.#watches.push(watch);
    this.#startWatch(watch, this.#signal).catch((error) => this.#logger.error('Event source did not start', { error }));
  }

  /** Resolves when everything that the sources' first lists brought has been reconciled once, successfully or not. */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise;
  }

  /** Reconciles the object now, whatever its sources say. */
  enqueue(name: ObjectName): void {
    this.#queue.add(name);
  }

  /** As {@link Runnable.start}. Rejects if a source does not start or does not sync in time, and when called twice. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#signal) throw new Error(`controller ${this.name} was started twice; was it added to a manager more than once?`);
    this.#signal = signal;
    const stopped = Promise.withResolvers<void>();
    const onAbort = () => {
      this.#queue.shutDown();
      stopped.resolve();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.all(this.#watches.splice(0).map((watch) => this.#startWatch(watch, signal)));
    } catch (error) {
      signal.removeEventListener('abort', onAbort);
      this.#queue.shutDown();
      throw error;
    }
    if (signal.aborted) return;
    this.#logger.info('Starting workers', { workers: this.#workers });
    const workers = Array.from({ length: this.#workers }, () => this.#work(signal));
    if (this.#queue.idle) this.#caughtUp.resolve();
    await stopped.promise;
    await Promise.all(workers);
    this.#logger.info('All workers finished');
  }

  /** Resolves when the source has delivered its first list, or silently when the controller stops before that. */
  async #startWatch({ source, listener }: Watch, signal: AbortSignal): Promise<void> {
    const timeoutMs = this.#options.cacheSyncTimeoutMs ?? 120_000;
    this.#logger.debug('Starting event source', { source: source.name });
    const limit = new AbortController();
    const late = new Error(`not synced after ${timeoutMs} ms`);
    const cancelTimer = this.#clock.setTimer(() => limit.abort(late), timeoutMs);
    const onAbort = () => limit.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([rejectOnAbort(limit.signal), this.#startAndSync(source, listener, signal, limit.signal)]);
    } catch (cause) {
      if (!signal.aborted)
        throw new Error(`controller ${this.name}: source "${source.name}" did not start: ${messageOf(cause)}`, { cause });
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', onAbort);
      limit.abort();
    }
  }

  async #startAndSync(source: Source, listener: Watch['listener'], signal: AbortSignal, limit: AbortSignal): Promise<void> {
    await source.start(listener, signal);
    await source.waitForSync?.(limit);
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const item = this.#queue.tryGet() ?? (await this.#queue.get());
      if (!item) return;
      this.#metrics.workerBusy(1);
      try {
        const working = this.#reconcile(item, signal);
        if (working) await working;
      } finally {
        this.#metrics.workerBusy(-1);
        this.#queue.done(item.key);
        if (this.#queue.idle) this.#caughtUp.resolve();
      }
      if (this.#budget.spent) await this.#budget.yield();
    }
  }

  /** Returns a promise only if the reconciler did. Never throws and never rejects. */
  #reconcile(item: QueueItem, signal: AbortSignal): Promise<void> | undefined {
    const startedMs = this.#clock.monotonicMs();
    const call = new ReconcileCall(item.key, signal, this.#logger);
    const timeout = this.#limit(call);
    const end = (outcome: Outcome) => {
      timeout?.();
      this.#finish(item, call, outcome, this.#clock.monotonicMs() - startedMs);
    };
    try {
      const result = this.#options.reconciler.reconcile({ name: item.key }, call);
      if (!isPromise(result)) return void end({ result });
      return result.then(
        (value) => end({ result: value }),
        (error) => end({ error }),
      );
    } catch (error) {
      end({ error });
      return undefined;
    }
  }

  #limit(call: ReconcileCall): (() => void) | undefined {
    const limitMs = this.#options.reconciliationTimeoutMs;
    if (limitMs === undefined) return undefined;
    const stop = new AbortController();
    const cancelTimer = this.#clock.setTimer(() => {
      this.#metrics.timedOut();
      stop.abort(new Error(`reconcile took longer than ${limitMs} ms`));
    }, limitMs);
    const parent = call.signal;
    const onAbort = () => stop.abort(parent.reason);
    parent.addEventListener('abort', onAbort, { once: true });
    call.signal = stop.signal;
    return () => {
      cancelTimer();
      parent.removeEventListener('abort', onAbort);
    };
  }

  #finish({ key, priority: askedPriority }: QueueItem, call: ReconcileCall, outcome: Outcome, durationMs: number): void {
    if ('error' in outcome) {
      const { error } = outcome;
      const terminal = isTerminal(error);
      if (terminal) this.#metrics.terminalError();
      else this.#queue.addWithOptions({ rateLimited: true, priority: askedPriority }, key);
      if (isProgramFault(error)) this.#metrics.panicked();
      this.#metrics.reconciled('error', durationMs);
      call.logger.error('Reconciler error', { error, retried: !terminal });
      return;
    }
    const { requeueAfterMs = 0, priority = askedPriority } = outcome.result ?? {};
    this.#queue.forget(key);
    if (requeueAfterMs > 0) this.#queue.addWithOptions({ afterMs: requeueAfterMs, priority }, key);
    this.#metrics.reconciled(requeueAfterMs > 0 ? 'requeue_after' : 'success', durationMs);
  }
}

type Outcome = { readonly result: Result | undefined } | { readonly error: unknown };

/** The context of one call. Id and logger are made when asked for: most reconciles of a large first list never log. */
class ReconcileCall implements ReconcileContext {
  signal: AbortSignal;
  readonly #name: ObjectName;
  readonly #parentLogger: Logger;
  #id: string | undefined;
  #logger: Logger | undefined;

  constructor(name: ObjectName, signal: AbortSignal, logger: Logger) {
    this.#name = name;
    this.signal = signal;
    this.#parentLogger = logger;
  }

  get reconcileID(): string {
    this.#id ??= randomUUID();
    return this.#id;
  }

  get logger(): Logger {
    this.#logger ??= this.#parentLogger.child({ ...parseObjectName(this.#name), reconcileID: this.reconcileID });
    return this.#logger;
  }
}

/** What Go would panic on: the engine's own errors, and values that are not errors at all. */
function isProgramFault(error: unknown): boolean {
  return (
    !(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError
  );
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === 'function';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
