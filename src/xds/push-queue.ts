import type { ProxyNode } from '../mesh/proxy.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { type DebounceOptions, pushDueMs } from './debounce.ts';
import type { XdsMetrics } from './metrics.ts';
import type { ProxyClasses, Refresh, Urgency } from './proxy-class.ts';
import { Comparisons } from './session/compare-tables.ts';
import type { ProxySession } from './session/proxy-session.ts';
import type { SessionRegistry } from './session-registry.ts';

export interface PushQueueOptions extends DebounceOptions {
  /** How long sessions are written to before acknowledgements get their turn, milliseconds. Default 5. */
  readonly sliceMs: number;
}

export interface PushQueueInit {
  readonly classes: ProxyClasses;
  readonly registry: SessionRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: XdsMetrics;
  readonly options: PushQueueOptions;
  /** Calls back in the event loop's next turn: `setImmediate`, or a test's own. */
  nextTurn(callback: () => void): void;
  /** Decides which proxies get which generation of what has changed, before the classes take the changes in. */
  decide(): void;
  /** The classes are in step with the mesh again. */
  refreshed(refresh: Refresh): void;
  /** A session could not be stepped: end its stream. */
  failed(session: ProxySession, error: unknown): void;
}

/**
 * Brings changes of the mesh to the proxies: waits as long as {@link pushDueMs} says, endpoint changes only to the end of the turn;
 * refreshes the classes; then steps the sessions of those that changed, in slices. A session that waits for its slice has one mark,
 * however many pushes have come by then.
 */
export class PushQueue {
  readonly #init: PushQueueInit;
  readonly #dirty = new Map<ProxySession, number>();
  readonly #stopListening: () => void;
  #firstChangeMs: number | undefined;
  #changedAt = 0;
  #lastPushEndMs: number | undefined;
  #costMs = 0;
  #turnAsked = false;
  #flushDue = false;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(init: PushQueueInit) {
    this.#init = init;
    this.#stopListening = init.classes.onChange((urgency) => this.#changed(urgency));
  }

  /** Nothing waits to be pushed. */
  get idle(): boolean {
    return this.#firstChangeMs === undefined && this.#dirty.size === 0;
  }

  /** Stops pushing. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#cancelTimer?.();
    this.#dirty.clear();
  }

  /** A session that has ended waits for nothing. */
  forget(session: ProxySession): void {
    this.#dirty.delete(session);
  }

  #changed(urgency: Urgency): void {
    const { clock, metrics, options } = this.#init;
    metrics.pushTriggers.inc({ type: urgency === 'endpoints' ? 'endpoint' : 'config' });
    const now = clock.monotonicMs();
    if (this.#firstChangeMs === undefined) {
      this.#firstChangeMs = now;
      this.#changedAt = clock.now();
    }
    if (this.#flushDue) return;
    const timing = {
      firstChangeMs: this.#firstChangeMs,
      lastChangeMs: now,
      lastPushEndMs: this.#dirty.size > 0 ? now : this.#lastPushEndMs,
      lastCostMs: this.#costMs,
    };
    const waitMs = urgency === 'endpoints' ? 0 : pushDueMs(timing, options) - now;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (waitMs <= 0) this.#flushSoon();
    else this.#cancelTimer = clock.setTimer(() => this.#flushSoon(), waitMs);
  }

  #flushSoon(): void {
    this.#flushDue = true;
    this.#askTurn();
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#init.nextTurn(() => {
      this.#turnAsked = false;
      if (!this.#closed) this.#run();
    });
  }

  #run(): void {
    const started = this.#init.clock.monotonicMs();
    if (this.#flushDue) {
      this.#costMs = 0;
      this.#refresh();
    }
    this.#stepSlice();
    const now = this.#init.clock.monotonicMs();
    this.#costMs += now - started;
    if (this.#dirty.size > 0) this.#askTurn();
    else this.#lastPushEndMs = now;
  }

  #refresh(): void {
    const { classes, clock, logger, metrics, registry } = this.#init;
    if (this.#firstChangeMs !== undefined) metrics.debounceSeconds.observe((clock.monotonicMs() - this.#firstChangeMs) / 1000);
    this.#flushDue = false;
    this.#firstChangeMs = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    let refresh: Refresh;
    try {
      this.#init.decide();
      refresh = classes.refresh();
    } catch (error) {
      metrics.internalErrors.inc();
      logger.error('Configuration could not be computed; proxies keep what they have', { error });
      return;
    }
    this.#move(refresh.moved);
    for (const proxyClass of refresh.changed) {
      for (const session of registry.group(proxyClass)?.sessions ?? []) this.#mark(session);
    }
    this.#init.refreshed(refresh);
  }

  #move(nodes: readonly ProxyNode[]): void {
    const { classes, registry } = this.#init;
    const comparisons = new Comparisons();
    for (const node of nodes) {
      const session = registry.session(node);
      if (!session) continue;
      const from = session.proxyClass;
      const to = classes.join(node);
      try {
        session.rebase(to, (typeUrl) => comparisons.compare(from, to, typeUrl));
      } catch (error) {
        classes.leave(to, node);
        this.#init.failed(session, error);
        continue;
      }
      registry.move(session, from);
      classes.leave(from, node);
      this.#mark(session);
    }
  }

  #mark(session: ProxySession): void {
    session.touch(this.#changedAt);
    this.#init.registry.update(session);
    if (!this.#dirty.has(session)) this.#dirty.set(session, this.#init.clock.monotonicMs());
  }

  #stepSlice(): void {
    const { clock, metrics, options } = this.#init;
    const until = clock.monotonicMs() + options.sliceMs;
    for (const [session, markedMs] of this.#dirty) {
      this.#dirty.delete(session);
      metrics.queueSeconds.observe((clock.monotonicMs() - markedMs) / 1000);
      try {
        session.step();
      } catch (error) {
        this.#init.failed(session, error);
      }
      if (clock.monotonicMs() >= until) return;
    }
  }
}
