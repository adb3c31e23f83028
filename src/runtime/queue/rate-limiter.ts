import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';

/** Says how long a key that failed has to wait (client-go's TypedRateLimiter). */
export interface RateLimiter {
  /** Counts one failure of the key and returns the wait before its next try, in milliseconds. */
  whenMs(key: string): number;
  /** The key succeeded or is given up: its failures no longer count. */
  forget(key: string): void;
  /** Failures of the key since it was last forgotten. */
  numRequeues(key: string): number;
}

/** Per key `baseDelayMs`·2ⁿ for the n-th failure in a row, at most `maxDelayMs`. Defaults, as in controller-runtime: 5 ms and 1,000 s. */
export class ItemExponentialFailureRateLimiter implements RateLimiter {
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #failures = new Map<string, number>();

  constructor(baseDelayMs = 5, maxDelayMs = 1_000_000) {
    this.#baseDelayMs = baseDelayMs;
    this.#maxDelayMs = maxDelayMs;
  }

  whenMs(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    return Math.min(this.#baseDelayMs * 2 ** failures, this.#maxDelayMs);
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  numRequeues(key: string): number {
    return this.#failures.get(key) ?? 0;
  }
}

/** One token bucket for all keys: caps the retries of the whole queue. Each call takes a token; without one it waits for its own. */
export class BucketRateLimiter implements RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  /** Defaults, as client-go's controllers have them: 10 a second, bursts of 100. */
  constructor(perSecond = 10, burst = 100, clock: Clock = systemClock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  whenMs(_key: string): number {
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond);
    this.#filledAtMs = nowMs;
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000;
  }

  forget(_key: string): void {}

  numRequeues(_key: string): number {
    return 0;
  }
}

/** Asks several limiters and takes the longest wait and the highest count. */
export class MaxOfRateLimiter implements RateLimiter {
  readonly #limiters: readonly RateLimiter[];

  constructor(...limiters: RateLimiter[]) {
    this.#limiters = limiters;
  }

  whenMs(key: string): number {
    return Math.max(0, ...this.#limiters.map((limiter) => limiter.whenMs(key)));
  }

  forget(key: string): void {
    for (const limiter of this.#limiters) limiter.forget(key);
  }

  numRequeues(key: string): number {
    return Math.max(0, ...this.#limiters.map((limiter) => limiter.numRequeues(key)));
  }
}
