import type { Clock } from '../runtime/clock.ts';

/** How long a replica that does not lead leaves to the leader what is missing, in milliseconds: if it is of the same kind it does it at once. */
const patienceMs = 3_000;

/** Counts since when something is missing. */
export class Patience {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #sinceMs: number | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** How much longer to wait, in milliseconds; 0: what is missing is to be seen to. */
  leftMs(isMissing: boolean): number {
    if (!isMissing) {
      this.#sinceMs = undefined;
      return 0;
    }
    const nowMs = this.#clock.monotonicMs();
    this.#sinceMs ??= nowMs;
    return Math.max(0, this.#sinceMs + patienceMs - nowMs);
  }
}
