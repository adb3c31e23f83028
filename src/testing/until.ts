import { setTimeout as pause } from 'node:timers/promises';

/** Repeats a check until it does not throw; rejects with its last error after `timeoutMs`. For programs outside of the test runner, too. */
export async function until<T>(check: () => T | Promise<T>, timeoutMs: number): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > endMs) throw error;
    }
    await pause(50);
  }
}
