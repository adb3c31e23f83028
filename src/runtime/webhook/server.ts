import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Registry } from 'prom-client';
import { aborted, callWithin, DeadlineError } from '../abort.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import type { HealthCheck } from '../manager/health-checks.ts';
import { type BindAddress, closeServer, listen } from '../manager/http-listener.ts';
import type { Runnable } from '../runnable.ts';
import type { AdmissionHandler } from './admission.ts';
import type { CertificateSource } from './certificates.ts';
import { formatReview, parseReview, type Review } from './review.ts';
import { createWebhookMetrics, noWebhookMetrics, type WebhookMetrics } from './webhook-metrics.ts';

export interface WebhookServerOptions {
  /** What it shows; it must have one at the start. */
  readonly certificates: CertificateSource;
  /** Default: port 9443 on every address. */
  readonly bind?: BindAddress;
  /** A CA in PEM: only clients with a certificate of it are heard. Default: everyone is; a NetworkPolicy may say more. */
  readonly clientCa?: string;
  /**
   * The largest body, in bytes. Default 7 MiB, as in controller-runtime: an update carries the old and the new object, each up to
   * 3 MiB in JSON.
   */
  readonly maxBodyBytes?: number;
  /**
   * How many bytes of bodies may be held at once, and half of them for one client address, so that no single one shuts out all others; a
   * request beyond that is answered 503. Default 128 MiB.
   */
  readonly maxBufferedBytes?: number;
  /** How long a handler may take if the API server does not say how long it waits (`?timeout=10s`). Default 10 s, the API server's own. */
  readonly timeoutMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Where metrics are registered. Default: none are kept. */
  readonly registry?: Registry;
}

interface Hook {
  readonly handle: AdmissionHandler;
  readonly metrics: WebhookMetrics;
}

/** An answer that is no AdmissionReview: the API server takes it for a failed call, and the webhook's failurePolicy decides. */
class HttpError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** How long requests under way are waited for at the stop. */
const drainMs = 10_000;

/** How long a body may take to come, in milliseconds: no API server waits longer for its answer. */
const bodyMs = 30_000;

/** After a refusal the rest of a body is read on and thrown away, so that the client comes to read the answer: so long, and so much of it. */
const discard = { ms: 2_000, bytes: 32 * 1024 * 1024 } as const;

/**
 * Answers admission requests over HTTPS. A refusal is an answer; whatever keeps it from answering (a body it cannot read, a handler
 * that throws or is late) is an HTTP error, so that the failurePolicy which people chose for the webhook holds.
 */
export class WebhookServer implements Runnable {
  readonly name = 'webhook server';
  readonly group = 'webhook';
  readonly #options: WebhookServerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #hooks = new Map<string, Hook>();
  readonly #listening = Promise.withResolvers<void>();
  #address: string | undefined;
  #bufferedBytes = 0;
  /** The same by client address; who holds nothing is not in it. */
  readonly #bufferedFrom = new Map<string, number>();
  #isDraining = false;

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#listening.promise.catch(() => {});
  }

  /** `host:port` as bound, IPv6 in brackets; undefined until it listens. */
  get address(): string | undefined {
    return this.#address;
  }

  /** For `Manager.addReadyzCheck`: passes while it listens. */
  readonly startedCheck: HealthCheck = () => {
    if (this.#address === undefined) throw new Error('the webhook server does not listen');
  };

  /**
   * Answers POST requests at this path, before or after the start; one that ends in `/*` stands for everything below it. Throws if the
   * path is taken.
   */
  register(path: string, handle: AdmissionHandler): void {
    if (!path.startsWith('/')) throw new Error(`the path of a webhook begins with "/", not as ${JSON.stringify(path)}`);
    if (this.#hooks.has(path)) throw new Error(`a webhook is registered at ${path} already`);
    const { registry } = this.#options;
    this.#hooks.set(path, { handle, metrics: registry ? createWebhookMetrics(registry, path) : noWebhookMetrics });
  }

  /**
   * Has each client leave with its next answer. To be called a while before the stop, when new connections go elsewhere already: a
   * connection that the stop closes may carry a request at that moment, which is then lost.
   */
  drain(): void {
    this.#isDraining = true;
  }

  /** As {@link Runnable.start}. Rejects if there is no certificate or the address cannot be had. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      const server = await this.#listen();
      const { certificates } = this.#options;
      const stopWatching = certificates.onChange(({ certificate: cert, key }) =>
        server.setSecureContext(this.#context(cert, key)),
      );
      this.#listening.resolve();
      this.#logger.info('Serving webhooks', { address: this.#address, paths: [...this.#hooks.keys()] });
      await aborted(signal);
      stopWatching();
      this.#address = undefined;
      await closeServer(server, this.#clock, drainMs);
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    }
  }

  /** Resolves when it listens. */
  async waitForReady(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#listening.promise, aborted(signal)]);
  }

  async #listen(): Promise<Server> {
    const { certificates, bind = { port: 9443 }, clientCa } = this.#options;
    const { current } = certificates;
    if (!current) throw new Error('the webhook server has no certificate to show; give it one before it starts');
    const server = createServer({
      ...this.#context(current.certificate, current.key),
      requestCert: clientCa !== undefined,
      rejectUnauthorized: clientCa !== undefined,
      headersTimeout: 32_000,
      requestTimeout: 60_000,
      // Longer than the API server keeps an idle connection, which is 90 s: so it is the one who closes.
      keepAliveTimeout: 120_000,
    });
    server.on('request', (request, response) => void this.#respond(request, response));
    this.#address = await listen(server, bind);
    return server;
  }

  #context(cert: string, key: string) {
    return { cert, key, ca: this.#options.clientCa, minVersion: 'TLSv1.2' as const };
  }

  /** The hook of a path, or of the longest prefix of it. */
  #hookOf(path: string): Hook | undefined {
    const exact = this.#hooks.get(path);
    for (let end = path.lastIndexOf('/'); !exact && end >= 0; end = end > 0 ? path.lastIndexOf('/', end - 1) : -1) {
      const below = this.#hooks.get(`${path.slice(0, end)}/*`);
      if (below) return below;
    }
    return exact;
  }

  /** Never rejects. */
  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '', 'https://localhost');
    const hook = url ? this.#hookOf(url.pathname) : undefined;
    const startedMs = this.#clock.monotonicMs();
    hook?.metrics.started();
    let answer: { code: number; body: string };
    try {
      if (!url || !hook) throw new HttpError(404, `no webhook is registered at ${url?.pathname}`);
      answer = { code: 200, body: JSON.stringify(await this.#review(url, hook, request)) };
    } catch (thrown) {
      const error = thrown instanceof HttpError ? thrown : new HttpError(500, (thrown as Error)?.message ?? String(thrown));
      this.#logger.error('Admission request not answered', { error: thrown, path: url?.pathname, code: error.code });
      answer = { code: error.code, body: `${error.message}\n` };
    }
    hook?.metrics.answered(answer.code, this.#clock.monotonicMs() - startedMs);
    const isUnread = answer.code !== 200 && !request.complete && !request.destroyed;
    response.writeHead(answer.code, {
      'content-type': answer.code === 200 ? 'application/json' : 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(answer.body),
      'x-content-type-options': 'nosniff',
      ...((this.#isDraining || isUnread) && { connection: 'close' }),
    });
    response.write(answer.body);
    if (isUnread) await this.#discard(request);
    response.end();
  }

  /** To close a connection on which something is unread would take the answer away from the client. */
  #discard(request: IncomingMessage): Promise<void> {
    return new Promise((resolve) => {
      let sizeBytes = 0;
      const cancel = this.#clock.setTimer(resolve, discard.ms);
      const end = () => {
        cancel();
        resolve();
      };
      request.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes > discard.bytes) end();
      });
      for (const event of ['end', 'error', 'close']) request.once(event, end);
      request.resume();
    });
  }

  async #review(url: URL, hook: Hook, incoming: IncomingMessage): Promise<object> {
    if (incoming.method !== 'POST') throw new HttpError(405, `${incoming.method} is not answered here; use POST`);
    const contentType = incoming.headers['content-type'] ?? 'none';
    if (contentType.split(';')[0]!.trim() !== 'application/json')
      throw new HttpError(415, `content type is ${contentType}; send application/json`);
    const held = { sizeBytes: 0, from: incoming.socket.remoteAddress ?? '' };
    try {
      const text = await this.#readBody(incoming, held);
      let review: Review;
      try {
        review = parseReview(text);
      } catch (error) {
        throw new HttpError(400, (error as Error).message);
      }
      const limitMs = parseTimeout(url.searchParams.get('timeout')) ?? this.#options.timeoutMs ?? 10_000;
      return formatReview(review, await this.#handle(hook, review, { limitMs, path: url.pathname }, incoming));
    } finally {
      this.#hold(held.from, -held.sizeBytes);
    }
  }

  /** Counts bytes of bodies. Returns how many a client address holds. */
  #hold(from: string, sizeBytes: number): number {
    this.#bufferedBytes += sizeBytes;
    const ofClient = (this.#bufferedFrom.get(from) ?? 0) + sizeBytes;
    if (ofClient === 0) this.#bufferedFrom.delete(from);
    else this.#bufferedFrom.set(from, ofClient);
    return ofClient;
  }

  /** @param held counts what is taken from the bytes that may be held at once */
  async #readBody(request: IncomingMessage, held: { sizeBytes: number; readonly from: string }): Promise<string> {
    const { maxBodyBytes = 7 * 1024 * 1024, maxBufferedBytes = 128 * 1024 * 1024 } = this.#options;
    const tooLarge = () => new HttpError(413, `the body is larger than ${maxBodyBytes} bytes`);
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onData = (chunk: Buffer) => {
      held.sizeBytes += chunk.length;
      const ofClient = this.#hold(held.from, chunk.length);
      if (held.sizeBytes > maxBodyBytes) reject(tooLarge());
      else if (this.#bufferedBytes > maxBufferedBytes)
        reject(new HttpError(503, `requests under way hold more than ${maxBufferedBytes} bytes`));
      else if (ofClient > maxBufferedBytes / 2)
        reject(new HttpError(503, `requests under way from ${held.from} hold more than ${maxBufferedBytes / 2} bytes`));
      else chunks.push(chunk);
    };
    const late = () => reject(new HttpError(408, `the body was not there within ${bodyMs / 1000} s`));
    const cancel = this.#clock.setTimer(late, bodyMs);
    // A loop over the request would destroy its socket when it is left early, and with it the answer.
    request.on('data', onData);
    request.once('end', resolve);
    request.once('error', reject);
    request.once('close', () => reject(new HttpError(400, 'the body ended early')));
    try {
      await promise;
    } finally {
      cancel();
      request.off('data', onData);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  async #handle(
    { handle, metrics }: Hook,
    { request }: Review,
    { limitMs, path }: { readonly limitMs: number; readonly path: string },
    incoming: IncomingMessage,
  ) {
    const gone = new AbortController();
    const onClose = () => gone.abort(new HttpError(499, 'the client went away'));
    incoming.socket.once('close', onClose);
    const what = `${request.operation} of ${request.kind?.kind} ${request.namespace ?? ''}/${request.name ?? ''}`;
    try {
      const call = { clock: this.#clock, limitMs, parent: gone.signal, what };
      return await callWithin(call, async (signal) => handle(request, { signal, path }));
    } catch (error) {
      if (error instanceof HttpError) throw error;
      if (error instanceof DeadlineError) throw new HttpError(504, error.message);
      metrics.panicked();
      throw error;
    } finally {
      incoming.socket.off('close', onClose);
    }
  }
}

/** Go's notation of a duration as the API server sends it: whole seconds, `10s`. */
function parseTimeout(text: string | null): number | undefined {
  const seconds = text === null ? undefined : /^(\d+)s$/.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
