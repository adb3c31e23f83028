import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { ApiError, ConnectionError, toApiError } from './api-error.ts';
import { Attempt } from './attempt.ts';
import { Backoff } from './backoff.ts';
import { describeRequest, formatRequest, type RequestInfo } from './request-info.ts';
import { createRestMetrics, noRestMetrics, type RestMetrics } from './rest-metrics.ts';
import { wait } from './wait.ts';

export interface RestClientOptions {
  /** Its current context says where the API server is and who asks; client certificates, tokens, token files and exec plugins work. */
  readonly kubeConfig: KubeConfig;
  /** Default `weft-runtime`. */
  readonly userAgent?: string;
  /** Where client-go's metrics go. Default: nowhere. */
  readonly registry?: Registry;
  /** How long one attempt may take. Default 30,000. */
  readonly timeoutMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** One request to the API server. */
export interface RestRequest {
  /** Default `GET`. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the root: `/api/v1/namespaces/default/pods`. `resourcePath` makes it of a kind. */
  readonly path: string;
  /** Fields that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body. Default `application/json`. */
  readonly contentType?: string;
  /** Ends the request and all its retries; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long one attempt may take; for a stream, until it begins. Default: the client's. */
  readonly timeoutMs?: number;
  /** May be sent again after a connection that broke with the outcome unknown. Default: true for GET only. */
  readonly isIdempotent?: boolean;
  /** Tries after the first one: where the API server asks for it (429 and 503 with Retry-After), and where the connection failed. Default 5. */
  readonly maxRetries?: number;
}

/** An answer that goes on: read it to its end or close it. */
export interface RestStream {
  /** The bytes as they come, in pieces of any size. Throws {@link ConnectionError} if the connection breaks, and the signal's reason. */
  readonly chunks: AsyncIterable<Buffer>;
  close(): void;
}

/** Longer waits than this are left to the caller, who gets the error with its `retryAfterMs`. */
const maxRetryAfterMs = 60_000;

/** Of an answer that is an error; what follows is not read. */
const maxErrorBytes = 65_536;

/** Raw HTTP to the API server that a kubeconfig names, on connections that are kept. */
export class RestClient {
  readonly #options: RestClientOptions;
  readonly #clock: Clock;
  readonly #metrics: RestMetrics;
  readonly #base: URL;
  // Agents tell connections apart by TLS identity: a renewed client certificate gets connections of its own.
  readonly #agent: http.Agent;
  readonly #closed = new AbortController();

  /** Throws if the kubeconfig has no current cluster. */
  constructor(options: RestClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#metrics = options.registry ? createRestMetrics(options.registry) : noRestMetrics;
    const cluster = options.kubeConfig.getCurrentCluster();
    if (!cluster) {
      const context = options.kubeConfig.getCurrentContext();
      throw new Error(
        `the kubeconfig's current context ${JSON.stringify(context ?? '')} names no cluster; choose one with: kubectl config use-context`,
      );
    }
    this.#base = new URL(cluster.server);
    const settings = { keepAlive: true, keepAliveMsecs: 30_000, timeout: 60_000 };
    this.#agent = this.#base.protocol === 'http:' ? new http.Agent(settings) : new https.Agent(settings);
  }

  /** `127.0.0.1:6443`, as metrics name it. */
  get host(): string {
    return this.#base.host;
  }

  /** Sends a request and reads the JSON of its answer; undefined if that is empty. Rejects with {@link ApiError} and {@link ConnectionError}. */
  async request<T>(request: RestRequest): Promise<T> {
    const text = await this.#attempts(request, (attempt) => this.#readAnswer(request, attempt));
    try {
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch (cause) {
      const what = formatRequest(describe(request));
      throw new ConnectionError(
        `${what}: ${this.#base.host} answered with something that is no JSON: ${text.slice(0, 100)}`,
        'EPROTO',
        {
          cause,
        },
      );
    }
  }

  /** Sends a request and resolves when its answer begins. */
  async stream(request: RestRequest): Promise<RestStream> {
    return this.#attempts(request, async (attempt) => {
      const response = await this.#open(request, attempt);
      attempt.stopTimer();
      return { chunks: readChunks(response, attempt), close: () => attempt.abort(new ConnectionError('closed', 'ECANCELED')) };
    });
  }

  /** Ends all connections and requests. */
  close(): void {
    this.#closed.abort(new ConnectionError(`the client of ${this.#base.host} was closed`, 'ECANCELED'));
    this.#agent.destroy();
  }

  async #attempts<T>(request: RestRequest, run: (attempt: Attempt) => Promise<T>): Promise<T> {
    const { signal, maxRetries = 5 } = request;
    const backoff = new Backoff({ baseMs: 100, maxMs: 5_000 });
    for (;;) {
      signal?.throwIfAborted();
      this.#closed.signal.throwIfAborted();
      const attempt = new Attempt(describe(request), {
        host: this.#base.host,
        clock: this.#clock,
        timeoutMs: request.timeoutMs ?? this.#options.timeoutMs ?? 30_000,
        signals: [signal, this.#closed.signal],
      });
      try {
        return await run(attempt);
      } catch (thrown) {
        attempt.abort(thrown);
        const error = attempt.reasonFor(thrown);
        const pauseMs = backoff.failures < maxRetries ? retryPauseMs(error, request, backoff) : undefined;
        if (pauseMs === undefined) throw error;
        await wait(this.#clock, pauseMs, signal);
      }
    }
  }

  async #readAnswer(request: RestRequest, attempt: Attempt): Promise<string> {
    const response = await this.#open(request, attempt);
    const text = await readText(response, Number.POSITIVE_INFINITY);
    attempt.end();
    return text;
  }

  /** Resolves with an answer of success, its body unread. */
  async #open(request: RestRequest, attempt: Attempt): Promise<IncomingMessage> {
    const { method = 'GET' } = request;
    const startedMs = this.#clock.monotonicMs();
    let code = '<error>';
    try {
      const response = await this.#send(method, request, attempt);
      const status = response.statusCode ?? 0;
      code = String(status);
      if (status >= 200 && status < 300) return response;
      const text = await readText(response, maxErrorBytes);
      throw toApiError(status, parseOrKeep(text), attempt.info, response.headers['retry-after']);
    } finally {
      this.#metrics.requested(this.#base.host, method, attempt.info.verb, code, this.#clock.monotonicMs() - startedMs);
    }
  }

  async #authenticate(options: https.RequestOptions, signal: AbortSignal): Promise<void> {
    const { kubeConfig } = this.#options;
    try {
      // An exec plugin may take its time, or all of it.
      await orAborted(kubeConfig.applyToHTTPSOptions(options), signal);
    } catch (cause) {
      if (signal.aborted) throw cause;
      const user = kubeConfig.getCurrentUser()?.name ?? '';
      throw new Error(`no credentials for the kubeconfig's user "${user}": ${(cause as Error).message}`, { cause });
    }
  }

  async #send(method: string, request: RestRequest, attempt: Attempt): Promise<IncomingMessage> {
    const options: https.RequestOptions = {};
    await this.#authenticate(options, attempt.signal);
    // The kubeconfig's agent closes its connections after each request; it is needed for proxies only.
    if (!this.#options.kubeConfig.getCurrentCluster()?.proxyUrl) options.agent = this.#agent;
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = (this.#base.protocol === 'http:' ? http : https).request({
      ...options,
      protocol: this.#base.protocol,
      // Node wants IPv6 addresses without their brackets.
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      path: this.#base.pathname.replace(/\/$/, '') + request.path + formatQuery(request.query),
      method,
      signal: attempt.signal,
      headers: {
        ...options.headers,
        Accept: 'application/json',
        'User-Agent': this.#options.userAgent ?? 'weft-runtime',
        ...(body && { 'Content-Type': request.contentType ?? 'application/json', 'Content-Length': body.length }),
      },
    });
    outgoing.once('response', (response) => {
      // Whoever reads it gets the error; if nobody does, it must not end the process.
      response.on('error', () => {});
      resolve(response);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
    return promise;
  }
}

/** How long to wait before the next try; undefined if there must not be one. */
function retryPauseMs(error: unknown, request: RestRequest, backoff: Backoff): number | undefined {
  if (error instanceof ApiError) {
    // Whoever says when to come again has not done it.
    if ((error.status !== 429 && error.status < 500) || error.retryAfterMs === undefined) return undefined;
    return error.retryAfterMs > maxRetryAfterMs ? undefined : error.retryAfterMs + backoff.next();
  }
  if (!(error instanceof ConnectionError) || error.code === 'ECANCELED' || error.code === 'EPROTO') return undefined;
  const isIdempotent = request.isIdempotent ?? (request.method ?? 'GET') === 'GET';
  return error.isUnsent || isIdempotent ? backoff.next() : undefined;
}

function describe({ method = 'GET', path, query }: RestRequest): RequestInfo {
  return describeRequest(method, path, query?.watch === true);
}

async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function formatQuery(query: RestRequest['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, String(value));
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseOrKeep(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function* readChunks(response: IncomingMessage, attempt: Attempt): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw attempt.reasonFor(error);
  } finally {
    attempt.end();
    response.destroy();
  }
}
