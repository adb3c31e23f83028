import { sleep } from '../abort.ts';
import type { Clock } from '../clock.ts';

const never = new AbortController().signal;

/** Resolves after `delayMs`; rejects with the signal's reason if that aborts first. */
export async function wait(clock: Clock, delayMs: number, signal: AbortSignal = never): Promise<void> {
  await sleep(clock, delayMs, signal);
  signal.throwIfAborted();
}
