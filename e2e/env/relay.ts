import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, isPath } from './address.ts';

/** A unix socket that leads to another address of this machine. */
export interface Relay {
  /** Give this to `buildBootstrap` as the control plane's address. */
  readonly address: { path: string };
  /** Cuts every connection that is open; new ones are let through. */
  cut(): void;
  /** How many connections are open. */
  connections(): number;
  close(): Promise<void>;
}

/**
 * Opens a unix socket, for every user, and joins each connection to `target`. A process in a network namespace reaches the
 * control plane outside this way, with no network between the two; and a test can cut the stream.
 */
export const startRelay = async (target: Address): Promise<Relay> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-relay-'));
  const path = join(folder, 'relay.sock');
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = isPath(target) ? connect(target.path) : connect(target.port, target.host);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true);
      one.on('error', () => {});
      one.once('close', () => other.destroy());
      one.pipe(other);
    }
    sockets.add(near);
    near.once('close', () => sockets.delete(near));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, readableAll: true, writableAll: true }, resolve);
  });
  await chmod(folder, 0o711);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: { path },
    cut,
    connections: () => sockets.size,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        cut();
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
};
