import { watch } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { settle } from './fake-clock.ts';
import { activeResources, leakedResources } from './leak-check.ts';

it('sees servers, watchers and timers while they are open, and not afterwards', async () => {
  const before = activeResources();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const watcher = watch(tmpdir());
  const timer = setTimeout(() => {}, 60_000);
  const idle = setTimeout(() => {}, 60_000).unref();
  expect(leakedResources(before).sort()).toEqual(['1 FSEventWrap', '1 TCPServerWrap', '1 Timeout']);
  clearTimeout(timer);
  clearTimeout(idle);
  watcher.close();
  await new Promise((resolve) => server.close(resolve));
  await settle();
  expect(leakedResources(before)).toEqual([]);
});
