import { type AddressInfo, createServer, type Server } from 'node:net';

const given = new Set<number>();

const listen = (port: number, host: string): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, ipv6Only: true }, () => resolve(server));
  });

/**
 * A TCP port that was free a moment ago on loopback, on IPv4 and (where the machine has it) IPv6; never the same twice.
 * For listeners whose port has to be known before they are made.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const v4 = await listen(0, '127.0.0.1');
    const { port } = v4!.address() as AddressInfo;
    const v6 = await listen(port, '::1');
    const isTaken = v6 === undefined && (await listen(0, '::1').then((probe) => probe?.close())) !== undefined;
    for (const server of [v4, v6]) if (server) await new Promise((resolve) => server.close(resolve));
    if (isTaken || given.has(port)) continue;
    given.add(port);
    return port;
  }
};
