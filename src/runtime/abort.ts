import type { Clock } from './clock.ts';

/** Waits `ms`, or less if the signal aborts meanwhile. Never rejects: look at the signal afterwards. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.setTimer(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Runs `call` with a signal that aborts after `limitMs` or with `parent`, and rejects at that moment whether `call` heeds it or not.
 * `what` names the call in the error, as in "read Lease a/b".
 */
export async function callWithin<T>(
  { clock, limitMs, parent, what }: { clock: Clock; limitMs: number; parent: AbortSignal; what: string },
  call: (signal: AbortSignal) => Promise<T> | T,
): Promise<T> {
  parent.throwIfAborted();
  const limit = new AbortController();
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const stop = (reason: unknown) => {
    limit.abort(reason);
    late.reject(reason);
  };
  const onAbort = () => stop(parent.reason);
  const cancel = clock.setTimer(() => stop(new DeadlineError(`${what}: no answer after ${limitMs} ms`)), limitMs);
  parent.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([call(limit.signal), late.promise]);
  } finally {
    cancel();
    parent.removeEventListener('abort', onAbort);
  }
}

/** Something took longer than it was given. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}
