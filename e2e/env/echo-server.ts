import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { parseArgs } from 'node:util';
import { type Address, formatAddress, isPath, parseAddress } from './address.ts';
import { isScript, startScript } from './script.ts';

/** What an echo server speaks: `http2` is without TLS (as gRPC between proxies), `https` is HTTP/1.1 over TLS. */
export type EchoProtocol = 'http' | 'http2' | 'https' | 'tcp';
const protocols: readonly EchoProtocol[] = ['http', 'http2', 'https', 'tcp'];

/** What an HTTP echo server answers, as JSON. */
export interface EchoAnswer {
  /** The server's own name: tells which of several answered. */
  name: string;
  method: string;
  path: string;
  httpVersion: string;
  /** Names in lower case; HTTP/2's pseudo headers (`:authority`) are among them. */
  headers: Record<string, string | string[] | undefined>;
  /** The caller's address and port as the server sees them; absent on a unix socket. */
  remoteAddress?: string;
  remotePort?: number;
  /** The address it was called at; absent on a unix socket. */
  localAddress?: string;
  /** TLS only: the name the caller asked for (SNI), absent when it gave none. */
  servername?: string;
  /** Length of the request's body. */
  bodyBytes: number;
}

/** A running echo server. */
export interface Echo {
  readonly name: string;
  readonly protocol: EchoProtocol;
  /** Where it really listens; a port 0 has become the port it got. */
  readonly address: Address;
  /** Port of `address`, 0 on a unix socket. */
  readonly port: number;
  /** Requests answered so far (connections, for `tcp`). */
  requests(): Promise<number>;
  /** Stops listening and cuts the connections that are open. */
  close(): Promise<void>;
}

/** What to start. */
export interface EchoOptions {
  /** Default `http`. */
  protocol?: EchoProtocol;
  /** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. Default `127.0.0.1:0`. */
  listen?: string;
  /** Default: the protocol. */
  name?: string;
  /** Network namespace to listen in; the server is then a process of its own. Default: in this process. */
  netns?: string;
}

const tlsFolder = new URL('../testdata/tls/', import.meta.url);

/** The certificate that `https` shows (self-signed; localhost, *.example.com, *.example.org, *.weft.test), in PEM: a client's `ca`. */
export const echoCertificate = (): string => readFileSync(new URL('echo.crt', tlsFolder), 'utf8');

const httpHandler = (name: string, counted: () => void) => async (request: IncomingMessage, response: ServerResponse) => {
  let bodyBytes = 0;
  for await (const chunk of request) bodyBytes += (chunk as Buffer).length;
  const url = new URL(request.url ?? '/', 'http://echo');
  if (url.pathname === '/delay') await sleep(Number(url.searchParams.get('ms') ?? 1_000));
  const status = /^\/status\/([2-5]\d\d)$/.exec(url.pathname)?.[1];
  const answer: EchoAnswer = {
    name,
    method: request.method ?? '',
    path: request.url ?? '',
    httpVersion: request.httpVersion,
    headers: request.headers,
    remoteAddress: request.socket.remoteAddress,
    remotePort: request.socket.remotePort,
    localAddress: request.socket.localAddress,
    servername: (request.socket as TLSSocket).servername || undefined,
    bodyBytes,
  };
  counted();
  response.writeHead(Number(status ?? 200), { 'content-type': 'application/json', 'x-echo': name });
  response.end(`${JSON.stringify(answer)}\n`);
};

const makeServer = (protocol: EchoProtocol, name: string, counted: () => void): Server => {
  const handler = httpHandler(name, counted);
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    handler(request, response).catch(() => response.destroy());
  };
  // A server that closes idle connections makes a proxy's pooled connection fail under it: a race no test wants.
  const patient = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 };
  switch (protocol) {
    case 'http':
      return createHttpServer(patient, onRequest);
    case 'https':
      return createHttpsServer(
        { ...patient, cert: echoCertificate(), key: readFileSync(new URL('echo.key', tlsFolder)), ALPNProtocols: ['http/1.1'] },
        onRequest,
      );
    case 'http2':
      return createHttp2Server((request, response) => onRequest(request as never, response as never));
    case 'tcp':
      return createTcpServer((socket) => {
        counted();
        socket.write(`${name}\n`);
        socket.pipe(socket);
      });
  }
};

/** An echo server in this process, answering on one address. */
const serve = async (protocol: EchoProtocol, listen: Address, name: string): Promise<Echo> => {
  let requests = 0;
  const server = makeServer(protocol, name, () => {
    requests++;
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`echo server ${name} cannot listen on ${formatAddress(listen)}: ${error.message}`)),
    );
    server.listen(isPath(listen) ? { path: listen.path } : { host: listen.host, port: listen.port, ipv6Only: true }, resolve);
  });
  const bound = server.address() as AddressInfo | string;
  const address: Address = typeof bound === 'string' ? { path: bound } : { host: bound.address, port: bound.port };
  return {
    name,
    protocol,
    address,
    port: isPath(address) ? 0 : address.port,
    requests: async () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

/**
 * Starts an echo server. HTTP: answers every request with an `EchoAnswer`; `/delay?ms=200` answers later, `/status/503` with that status.
 * TCP: greets with its name and a line feed, then sends back what it gets.
 */
export const startEcho = async (options: EchoOptions = {}): Promise<Echo> => {
  const { protocol = 'http', listen = '127.0.0.1:0', name = protocol, netns } = options;
  if (netns === undefined) return serve(protocol, parseAddress(listen), name);
  const script = await startScript<{ address: string }>({
    file: import.meta.filename,
    args: [`--${protocol}`, listen, '--name', name],
    name: `echo server ${name}`,
    netns,
  });
  const address = parseAddress(script.ready.address);
  return {
    name,
    protocol,
    address,
    port: isPath(address) ? 0 : address.port,
    requests: async () => (await script.ask<{ requests: number }>({})).requests,
    close: () => script.stop(),
  };
};

/** `node echo-server.ts --http 127.0.0.1:0 --name a`: prints `{"address":"…"}`, then answers each line of stdin with `{"requests":n}`. */
const main = async (): Promise<void> => {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({ options: { http: string, http2: string, https: string, tcp: string, name: string } });
  const protocol = protocols.find((candidate) => values[candidate] !== undefined);
  if (protocol === undefined) throw new Error('say what to speak and where: --http, --http2, --https or --tcp ADDRESS');
  const echo = await serve(protocol, parseAddress(values[protocol]!), values.name ?? protocol);
  console.log(JSON.stringify({ address: formatAddress(echo.address) }));
  createInterface({ input: process.stdin }).on('line', async () =>
    console.log(JSON.stringify({ requests: await echo.requests() })),
  );
};

if (isScript(import.meta.filename)) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
