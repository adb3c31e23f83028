import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { aborted } from '../abort.ts';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import type { Runnable } from '../runnable.ts';

/** Where to listen. Port 0 takes a free one. */
export interface BindAddress {
  /** Default: every address of the machine, IPv6 and IPv4. */
  readonly host?: string;
  readonly port: number;
}

/** Answers one GET request; undefined: there is no such thing (404). */
export type HttpAnswerer = (url: URL) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>;

/** What is sent back. */
export interface HttpAnswer {
  /** Default 200. */
  readonly code?: number;
  readonly body: string;
  /** Default plain text. */
  readonly contentType?: string;
}

export interface HttpListenerOptions {
  /** For logs and errors. */
  readonly name: string;
  readonly bind: BindAddress;
  readonly answer: HttpAnswerer;
  readonly logger?: Logger;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** How long requests under way are waited for when the listener stops. */
const drainMs = 5_000;

/** A small HTTP server that a manager starts first and stops last. */
export class HttpListener implements Runnable {
  readonly name: string;
  readonly group = 'server';
  readonly #options: HttpListenerOptions;
  readonly #listening = Promise.withResolvers<void>();
  #address: string | undefined;

  constructor(options: HttpListenerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#listening.promise.catch(() => {});
  }

  /** `host:port` as bound, IPv6 in brackets; undefined until it listens. */
  get address(): string | undefined {
    return this.#address;
  }

  /** As {@link Runnable.start}; rejects if the address cannot be had. */
  async start(signal: AbortSignal): Promise<void> {
    const server = createServer(
      { requestTimeout: 30_000, headersTimeout: 30_000, maxHeaderSize: 65_536 },
      (request, response) => {
        void this.#respond(request, response);
      },
    );
    try {
      this.#address = await listen(server, this.#options.bind);
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    }
    this.#listening.resolve();
    this.#options.logger?.info('Serving', { server: this.name, address: this.#address });
    await aborted(signal);
    await closeServer(server, this.#options.clock ?? systemClock, drainMs);
    this.#address = undefined;
  }

  /** As {@link Runnable.waitForReady}. */
  waitForReady(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#listening.promise, aborted(signal)]);
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request);
    response.writeHead(answer.code ?? 200, {
      'content-type': answer.contentType ?? 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage): Promise<HttpAnswer> {
    if (request.method !== 'GET' && request.method !== 'HEAD') return { code: 405, body: 'use GET\n' };
    const url = URL.parse(request.url ?? '', 'http://localhost');
    if (!url) return { code: 400, body: 'the request has no readable path\n' };
    try {
      return (await this.#options.answer(url)) ?? { code: 404, body: `${url.pathname} is not known here\n` };
    } catch (error) {
      const { logger = silentLogger } = this.#options;
      logger.error('Answering a request failed', { server: this.name, path: url.pathname, error });
      return { code: 500, body: 'internal server error, see the log\n' };
    }
  }
}

/** Resolves with `host:port` as bound. Rejects with address and reason. */
export async function listen(server: Server, { host, port }: BindAddress): Promise<string> {
  const listening = Promise.withResolvers<void>();
  // Not only once: what a server that listens already says later (it may not accept for a moment) must not end the process.
  server.on('error', (cause) => {
    listening.reject(new Error(`cannot listen on ${host ?? '*'}:${port}: ${cause.message}`, { cause }));
  });
  server.listen({ host, port }, listening.resolve);
  await listening.promise;
  const bound = server.address() as AddressInfo;
  return `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

/** Takes no more requests, lets those under way end within `limitMs` and then cuts them off. */
export async function closeServer(server: Server, clock: Clock, limitMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cancel = clock.setTimer(() => server.closeAllConnections(), limitMs);
  await closed;
  cancel();
}
