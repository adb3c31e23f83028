/** How waits grow from failure to failure. */
export interface BackoffOptions {
  /** The first wait in milliseconds. */
  readonly baseMs: number;
  /** No wait is longer than this, jitter aside. */
  readonly maxMs: number;
  /** From wait to wait. Default 2. */
  readonly factor?: number;
  /** A wait is longer by up to this share of itself, so that clients do not come back together. Default 1. */
  readonly jitter?: number;
  /** Between 0 and 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** Waits that grow with each failure, until something succeeds. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #failures = 0;

  constructor({ baseMs, maxMs, factor = 2, jitter = 1, random = Math.random }: BackoffOptions) {
    this.#options = { baseMs, maxMs, factor, jitter, random };
  }

  /** Failures since the last {@link reset}. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and says how long to wait, in milliseconds. */
  next(): number {
    const { baseMs, maxMs, factor, jitter, random } = this.#options;
    const waitMs = Math.min(maxMs, baseMs * factor ** this.#failures);
    this.#failures++;
    return waitMs * (1 + jitter * random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
