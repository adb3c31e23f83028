import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import { closeServer, listen } from './http-listener.ts';

it('a server that listens survives what it says of single connections, however often', async () => {
  const server = createServer();
  await listen(server, { host: '127.0.0.1', port: 0 });
  for (let times = 0; times < 3; times++) server.emit('error', new Error('accept EMFILE'));
  expect(server.listening).toBe(true);
  await closeServer(server, systemClock, 1_000);
});
