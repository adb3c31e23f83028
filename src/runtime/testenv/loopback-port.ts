import { createServer } from 'node:net';

/** Below the range that systems give to outgoing connections, so that a port stays free while its server restarts. */
const firstPort = 18_000;
const lastPort = 30_000;

const given = new Set<number>();

/** A TCP port that was free on 127.0.0.1 a moment ago; never the same twice from one process. Rejects if there is none. */
export async function findLoopbackPort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`found no free port between ${firstPort} and ${lastPort} on 127.0.0.1`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
