import { afterAll, expect } from 'vitest';

/**
 * What a test file must not leave behind: open servers, sockets, watchers, child processes and timers that keep the process alive.
 * Names as `process.getActiveResourcesInfo` has them.
 */
const watched = new Set([
  'TCPServerWrap',
  'TCPSocketWrap',
  'PipeServerWrap',
  'TLSWrap',
  'UDPWRAP',
  'Http2Session',
  'ProcessWrap',
  'FSEventWrap',
  'StatWatcher',
  'Timeout',
]);

/** How long what was closed may take to disappear. */
const graceMs = 2_000;

/** Watched resources that are active now, by kind. */
export function activeResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (watched.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** What there is more of now than before, as `2 TCPServerWrap`; empty if nothing is. */
export function leakedResources(before: ReadonlyMap<string, number>): string[] {
  const leaked: string[] = [];
  for (const [kind, count] of activeResources()) {
    const more = count - (before.get(kind) ?? 0);
    if (more > 0) leaked.push(`${more} ${kind}`);
  }
  return leaked;
}

const before = activeResources();

// Hooks run in reverse order of their registration, so this one runs after those of the test file.
afterAll(async () => {
  const startedMs = performance.now();
  while (leakedResources(before).length > 0 && performance.now() - startedMs < graceMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(leakedResources(before), 'resources that this test file left open').toEqual([]);
});
