/** How long configuration changes wait for company. */
export interface DebounceOptions {
  /** The longest quiet period that is waited for after a change, milliseconds. Default 100, Istio's PILOT_DEBOUNCE_AFTER. */
  readonly debounceAfterMs: number;
  /** No change waits longer, milliseconds. Default 10,000, Istio's PILOT_DEBOUNCE_MAX. */
  readonly debounceMaxMs: number;
}

/** What is known when a change comes in; all times on one monotonic clock, milliseconds. */
export interface DebounceInput {
  readonly firstChangeMs: number;
  readonly lastChangeMs: number;
  /** When the last push was done; undefined: there was none. */
  readonly lastPushEndMs: number | undefined;
  /** How long the last push kept the process busy. */
  readonly lastCostMs: number;
}

/**
 * When the pending changes shall be pushed, on the same clock; in the past: now. An idle control plane pushes at once.
 * Under a stream of changes the wait follows what a push costs: half of the time at most goes into pushing,
 * and cheap pushes hardly wait at all.
 */
export function pushDueMs(input: DebounceInput, options: DebounceOptions): number {
  const { firstChangeMs, lastChangeMs, lastPushEndMs, lastCostMs } = input;
  if (lastPushEndMs === undefined || firstChangeMs - lastPushEndMs >= Math.max(options.debounceAfterMs, lastCostMs))
    return firstChangeMs;
  const quietMs = Math.min(options.debounceAfterMs, lastCostMs);
  const due = Math.max(lastPushEndMs + lastCostMs, lastChangeMs + quietMs);
  return Math.min(due, firstChangeMs + options.debounceMaxMs);
}
