import type { Clock } from '../../runtime/clock.ts';

export interface ReviewCacheOptions {
  readonly clock: Clock;
  /** The one that was put in longest ago makes room for another. */
  readonly maxEntries: number;
}

/** Answers by a key, each for its own time, bounded. */
export class ReviewCache<T> {
  readonly #options: ReviewCacheOptions;
  readonly #entries = new Map<string, { readonly value: T; readonly untilMs: number }>();

  constructor(options: ReviewCacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Undefined once its time is over. */
  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.#options.clock.monotonicMs() < entry.untilMs) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: T, keptMs: number): void {
    const { clock, maxEntries } = this.#options;
    this.#entries.delete(key);
    if (this.#entries.size >= maxEntries) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, { value, untilMs: clock.monotonicMs() + keptMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  deleteWhere(matches: (value: T) => boolean): void {
    for (const [key, { value }] of this.#entries) if (matches(value)) this.#entries.delete(key);
  }
}
