import { vi } from 'vitest';

/** Repeats the assertion until it holds; its last failure is thrown after `timeoutMs`, default 15,000. */
export async function eventually(assertion: () => unknown, timeoutMs = 15_000): Promise<void> {
  await vi.waitFor(assertion, { timeout: timeoutMs, interval: 10 });
}
