import type { Clock } from '../clock.ts';

interface Budget {
  tokens: number;
  filledAtMs: number;
}

/** A token bucket for each key, so that one object cannot use up what is there for all. Full buckets are not kept. */
export class ObjectBudgets {
  readonly #burst: number;
  readonly #refillMs: number;
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Budget>();

  /** `burst` tokens at once, and one more every `refillMs`. */
  constructor(burst: number, refillMs: number, clock: Clock) {
    this.#burst = burst;
    this.#refillMs = refillMs;
    this.#clock = clock;
  }

  /** Keys that are kept. */
  get size(): number {
    return this.#budgets.size;
  }

  /** False if the key has none left. */
  tryTake(key: string): boolean {
    const budget = this.#budgets.get(key) ?? { tokens: this.#burst, filledAtMs: this.#clock.monotonicMs() };
    this.#refill(budget);
    if (budget.tokens < 1) return false;
    budget.tokens -= 1;
    this.#budgets.set(key, budget);
    return true;
  }

  /** Lets go of the buckets that have filled up. */
  sweep(): void {
    for (const [key, budget] of this.#budgets) {
      this.#refill(budget);
      if (budget.tokens >= this.#burst) this.#budgets.delete(key);
    }
  }

  #refill(budget: Budget): void {
    const nowMs = this.#clock.monotonicMs();
    budget.tokens = Math.min(this.#burst, budget.tokens + (nowMs - budget.filledAtMs) / this.#refillMs);
    budget.filledAtMs = nowMs;
  }
}
