import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { JsonLines } from '../client/json-lines.ts';
import { type ActiveFault, describeProxied, type Fault, FaultList, type ProxiedRequest } from './fault.ts';

/** Stands between clients and an API server, and fails on command. Of the faults that match, the one injected first counts. */
export interface FaultProxy {
  /** For clients: leads to the proxy, which asks the API server as the user of the kubeconfig that it was given. */
  readonly kubeConfig: KubeConfig;
  inject(fault: Fault): ActiveFault;
  /** Ends every fault. */
  heal(): void;
  /** Resets the connections of all watches that are open, now. */
  cutWatches(): void;
  /** Resets every connection, now: what hung, breaks. */
  cutAll(): void;
  /** How many watches are open. */
  readonly openWatches: number;
  /** Ends the proxy and its connections; may be called twice. */
  stop(): Promise<void>;
}

/** Starts a proxy on a free loopback port; it speaks plain HTTP, which needs no certificate. */
export async function startFaultProxy(upstream: KubeConfig): Promise<FaultProxy> {
  const proxy = new RunningFaultProxy(upstream);
  await proxy.start();
  return proxy;
}

class RunningFaultProxy implements FaultProxy {
  readonly #upstream: KubeConfig;
  readonly #base: URL;
  readonly #agent = new https.Agent({ keepAlive: true });
  readonly #faults = new FaultList();
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<Socket>();
  readonly #server: http.Server;
  kubeConfig!: KubeConfig;

  constructor(upstream: KubeConfig) {
    this.#upstream = upstream;
    this.#base = new URL(upstream.getCurrentCluster()!.server);
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch(() => request.socket.resetAndDestroy());
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
    });
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    this.kubeConfig = new KubeConfig();
    // client-node wants to be told that plain HTTP is meant.
    const cluster = { name: 'fault-proxy', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    this.kubeConfig.loadFromClusterAndUser(cluster, { name: 'anyone' });
  }

  inject(fault: Fault): ActiveFault {
    return this.#faults.add(fault);
  }

  heal(): void {
    this.#faults.clear();
  }

  cutWatches(): void {
    for (const socket of this.#watches) socket.resetAndDestroy();
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const proxied = describeProxied(request.method ?? 'GET', request.url ?? '/');
    const fault = this.#faults.takeForRequest(proxied);
    switch (fault?.type) {
      case 'status':
        request.resume();
        return refuse(response, proxied, fault.status, fault.retryAfterSeconds);
      case 'hang':
        request.resume();
        return;
      case 'reset':
        request.socket.resetAndDestroy();
        return;
    }
    if (fault?.type === 'latency') await passTime(fault.delayMs, response);
    if (fault?.type === 'hold' && fault.of === 'request') await fault.until();
    const answer = await this.#forward(request, response);
    if (fault?.type === 'hold' && fault.of === 'answer') await fault.until();
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    if (proxied.verb !== 'watch' || answer.statusCode !== 200) answer.pipe(response);
    else await this.#passEvents(proxied, answer, response);
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<IncomingMessage> {
    const options: https.RequestOptions = {};
    await this.#upstream.applyToHTTPSOptions(options);
    // Nobody waits for the answer any more, or the proxy has stopped and could not end a connection made now.
    if (response.destroyed || !this.#server.listening) throw new Error('the client has gone');
    // What the client says of its connection is between it and the proxy.
    const { host: _host, connection: _connection, ...headers } = request.headers;
    const outgoing = https.request({
      ...options,
      agent: this.#agent,
      hostname: this.#base.hostname,
      port: this.#base.port,
      method: request.method,
      path: request.url,
      headers: { ...headers, ...options.headers },
    });
    response.once('close', () => outgoing.destroy());
    request.pipe(outgoing);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    outgoing.once('response', (answer) => {
      // The client is to see the connection break as this one did.
      answer.on('error', () => request.socket.resetAndDestroy());
      resolve(answer);
    });
    outgoing.on('error', reject);
    return promise;
  }

  async #passEvents(proxied: ProxiedRequest, answer: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = response;
    if (!socket) return;
    this.#watches.add(socket);
    response.once('close', () => this.#watches.delete(socket));
    const lines = new JsonLines();
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      for (const event of lines.push(chunk)) {
        const line = `${JSON.stringify(event)}\n`;
        switch (this.#faults.takeForEvent(proxied, (event as { type: string }).type)?.type) {
          case 'lose':
            continue;
          case 'stall':
            answer.pause();
            await once(response, 'close');
            return;
          case 'cut':
            response.write(line.slice(0, line.length / 2));
            await new Promise((resolve) => setImmediate(resolve));
            socket.resetAndDestroy();
            return;
          case 'expire':
            response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(410) })}\n`);
            return;
        }
        if (!response.write(line) && !response.destroyed) await Promise.race([once(response, 'drain'), once(response, 'close')]);
      }
    }
    response.end();
  }
}

const reasons: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function statusOf(code: number, message = 'injected by the fault proxy') {
  return { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason: reasons[code] ?? '', message };
}

function refuse(
  response: ServerResponse,
  { verb, resource }: ProxiedRequest,
  status: number,
  retryAfterSeconds: number | undefined,
): void {
  const retryAfter = retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) };
  response.writeHead(status, { 'Content-Type': 'application/json', ...retryAfter });
  // In the words of the authorizer, which are what tells a missing permission from other refusals.
  const forbidden = `User "test" cannot ${verb} resource "${resource}": injected by the fault proxy`;
  response.end(JSON.stringify(statusOf(status, status === 403 ? forbidden : undefined)));
}

/** Resolves after the delay, or when the client has gone. */
function passTime(delayMs: number, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delayMs);
  response.once('close', () => {
    clearTimeout(timer);
    resolve();
  });
  return promise;
}
