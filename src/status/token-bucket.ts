import { sleep } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';

/** A token bucket that is asked before the work is chosen, so that what is most urgent takes the next token. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#tokens = burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Resolves when a token is there, or the signal has aborted. Does not take it. */
  async available(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#refill();
      if (this.#tokens >= 1 || signal.aborted) return;
      await sleep(this.#clock, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000), signal);
    }
  }

  /** Takes a token. Several who saw the same one leave a debt, which the next ones wait for. */
  take(): void {
    this.#refill();
    this.#tokens -= 1;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond);
    this.#filledAtMs = nowMs;
  }
}
