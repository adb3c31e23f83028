import { setTimeout as sleep } from 'node:timers/promises';

/** How long and how often `eventually` asks. */
export interface EventuallyOptions {
  /** Give up after this time. Default 10,000. */
  deadlineMs?: number;
  /** Pause between two attempts. Default 25. */
  intervalMs?: number;
  /** Asked after each failed attempt; a text ends the waiting at once with that reason (a process died, say). */
  hopeless?: () => string | undefined;
}

/**
 * Calls `probe` until it neither throws nor gives undefined or false, and returns what it gave.
 * `what` completes the sentence 'waited N ms for …' in the error, which carries the last failure as its cause.
 */
export const eventually = async <T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { deadlineMs = 10_000, intervalMs = 25, hopeless }: EventuallyOptions = {},
): Promise<T> => {
  const startedAt = performance.now();
  let lastError: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    const last =
      lastError === undefined ? '' : `; the last attempt: ${lastError instanceof Error ? lastError.message : String(lastError)}`;
    const reason = hopeless?.();
    if (reason !== undefined) throw new Error(`waited for ${what}, in vain: ${reason}${last}`, { cause: lastError });
    const waitedMs = Math.round(performance.now() - startedAt);
    if (waitedMs >= deadlineMs) throw new Error(`waited ${waitedMs} ms for ${what}${last}`, { cause: lastError });
    await sleep(intervalMs);
  }
};
