/**
 * Milliseconds on the machine's monotonic clock, which every process reads alike (`CLOCK_MONOTONIC`): times taken in the
 * control plane, in the load clients and in the driver may be subtracted from each other.
 */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Lets a time pass in which nothing is asked of anyone. */
export function idle(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
