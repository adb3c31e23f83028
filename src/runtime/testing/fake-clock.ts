import type { Clock } from '../clock.ts';

interface FakeTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. Timers run in order of their due time, equal ones in order of their setting. */
export class FakeClock implements Clock {
  #nowMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #timers = new Set<FakeTimer>();

  /** `startMs`: what {@link now} says at first, in milliseconds since the epoch. Default 2026-01-01T00:00:00Z. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer: FakeTimer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Timers that are set and have not run: 0 at the end of a test shows that nothing was left behind. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves time on by `ms` and runs every timer that comes due, including those that a timer sets, each at its own due time. */
  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms;
    for (let timer = this.#next(untilMs); timer; timer = this.#next(untilMs)) this.#run(timer);
    this.#moveTo(untilMs);
  }

  /** As {@link advance}, but what awaits a promise settles before each timer, before the end and after it. */
  async advanceAsync(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (let timer = this.#next(untilMs); timer; timer = this.#next(untilMs)) {
      this.#run(timer);
      await settle();
    }
    this.#moveTo(untilMs);
    await settle();
  }

  #next(untilMs: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > untilMs) continue;
      if (!next || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) next = timer;
    }
    return next;
  }

  #run(timer: FakeTimer): void {
    this.#timers.delete(timer);
    this.#moveTo(timer.dueMs);
    timer.callback();
  }

  #moveTo(elapsedMs: number): void {
    const byMs = Math.max(0, elapsedMs - this.#elapsedMs);
    this.#nowMs += byMs;
    this.#elapsedMs += byMs;
  }
}

/** Lets promises and immediates that are ready run, without waiting for time to pass. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
