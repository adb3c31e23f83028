import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { CertificateSource, ServingCertificate } from '../runtime/webhook/certificates.ts';

/** Answers one path; undefined: there is no such thing (404). */
export type HttpHandler = (url: URL) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>;

export interface HttpAnswer {
  /** Default 200. */
  readonly code?: number;
  /** Sent as JSON, unless it is a text. */
  readonly body: unknown;
  /** Default: JSON, or plain text for a text. */
  readonly contentType?: string;
}

/** Takes over the connection of a request that asks for another protocol; closing the server does not end it. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** What a server may do besides. */
export interface HttpServerOptions {
  /** Is given requests for another protocol. Default: they are answered as if they did not ask for one. */
  readonly upgrade?: UpgradeHandler | undefined;
  /** Serve TLS, with the newest of these at each connection. Default: plain HTTP. */
  readonly certificates?: CertificateSource | undefined;
}

export interface HttpServer {
  /** `host:port` as bound, IPv6 in brackets. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * A server of GET requests, by first path segment (`status` answers `/status` and all below it).
 * Rejects when the address cannot be had, with the reason and the flag that changes it, and when there is no certificate yet.
 */
export async function startHttpServer(
  host: string,
  port: number,
  flag: string,
  routes: ReadonlyMap<string, HttpHandler>,
  { upgrade, certificates }: HttpServerOptions = {},
): Promise<HttpServer> {
  const { server, stopWatching } = createListener(certificates, (request, response) => {
    void answer(routes, request, response);
  });
  if (upgrade) server.on('upgrade', upgrade);
  return new Promise((resolve, reject) => {
    // Not only once: what it says later (it may not accept for a moment) must not end the process.
    server.on('error', (cause) => reject(new Error(`cannot listen on ${host}:${port} (${flag}): ${cause.message}`, { cause })));
    server.listen(port, host, () => {
      const bound = server.address() as AddressInfo;
      resolve({
        address: `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
        close: () => {
          stopWatching();
          return closeServer(server);
        },
      });
    });
  });
}

function createListener(
  certificates: CertificateSource | undefined,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): { readonly server: Server; readonly stopWatching: () => void } {
  const limits = { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 };
  if (!certificates) return { server: createServer(limits, answer), stopWatching: () => {} };
  const contextOf = ({ certificate: cert, key }: ServingCertificate) => ({ cert, key, minVersion: 'TLSv1.2' as const });
  if (!certificates.current) throw new Error('there is no certificate to serve TLS with yet');
  const server = createTlsServer({ ...limits, handshakeTimeout: 10_000, ...contextOf(certificates.current) }, answer);
  return { server, stopWatching: certificates.onChange((next) => server.setSecureContext(contextOf(next))) };
}

async function answer(
  routes: ReadonlyMap<string, HttpHandler>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let result: HttpAnswer;
  try {
    result = await route(routes, request);
  } catch (error) {
    result = { code: 500, body: { error: error instanceof Error ? error.message : String(error) } };
  }
  const isText = typeof result.body === 'string';
  response.writeHead(result.code ?? 200, {
    'content-type': result.contentType ?? (isText ? 'text/plain; charset=utf-8' : 'application/json'),
  });
  response.end(
    request.method === 'HEAD' ? undefined : isText ? (result.body as string) : `${JSON.stringify(result.body, null, 2)}\n`,
  );
}

async function route(routes: ReadonlyMap<string, HttpHandler>, request: IncomingMessage): Promise<HttpAnswer> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { code: 405, body: { error: `${request.method} is not answered here; use GET` } };
  if (!URL.canParse(request.url ?? '', 'http://weft')) return { code: 400, body: { error: 'the request has no readable path' } };
  const url = new URL(request.url!, 'http://weft');
  if (!isDecodable(url.pathname)) return { code: 400, body: { error: `${url.pathname} is not well encoded` } };
  const handler = routes.get(url.pathname.split('/')[1] ?? '');
  const known = [...routes.keys()].map((name) => `/${name}`).join(', ');
  return (await handler?.(url)) ?? { code: 404, body: { error: `${url.pathname} is not known here; there are ${known}` } };
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
