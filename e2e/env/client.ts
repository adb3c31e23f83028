import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Socket, connect as tcpConnect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, isPath, parseAddress } from './address.ts';
import type { EchoAnswer } from './echo-server.ts';
import { isScript, startScript } from './script.ts';

/** One call of a client. */
export interface Call {
  /** `tcp` sends a line and reads until it comes back. Default `http`. */
  protocol?: 'http' | 'https' | 'tcp';
  /** Where to connect: `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`. An address, not a name: nothing is resolved. */
  to: string;
  /** Host header, and with `https` the name asked for (SNI). Default: `to`, and no SNI. */
  host?: string;
  /** With `https`: the certificate that it shows, in PEM. Default: none. */
  certificate?: { cert: string; key: string };
  method?: string;
  /** Default `/`. */
  path?: string;
  headers?: Record<string, string>;
  /** Body of the request, or the line that `tcp` sends. */
  body?: string;
  /** The whole call fails after this time. Default 10,000. */
  timeoutMs?: number;
}

/** What came of a call. A failure to connect is an answer too, so that a test can assert on it. */
export interface CallAnswer {
  /** 0 when there was no HTTP answer. */
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  /** The body of an echo server. */
  echo?: EchoAnswer;
  /** Why it failed: `ECONNREFUSED`, `ECONNRESET`, `timeout`, … */
  error?: string;
}

const failed = (error: Error): CallAnswer => ({
  status: 0,
  headers: {},
  body: '',
  error: (error as NodeJS.ErrnoException).code ?? error.message,
});

const where = (address: Address) => (isPath(address) ? { socketPath: address.path } : { host: address.host, port: address.port });

const callHttp = (options: Call): Promise<CallAnswer> =>
  new Promise((resolve) => {
    const { protocol, to, host = to, method = 'GET', path = '/', headers, body, timeoutMs = 10_000 } = options;
    const address = where(parseAddress(to));
    const take = async (response: IncomingMessage): Promise<CallAnswer> => {
      let text = '';
      response.setEncoding('utf8');
      for await (const chunk of response) text += chunk;
      const isEcho = response.headers['x-echo'] !== undefined;
      const echo = isEcho ? (JSON.parse(text) as EchoAnswer) : undefined;
      return { status: response.statusCode ?? 0, headers: response.headers, body: text, echo };
    };
    const common = {
      ...address,
      method,
      path,
      headers: { ...headers, host },
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
    };
    const onResponse = (response: IncomingMessage): void => resolve(take(response).catch(failed));
    // The certificate is the echo server's own; who answered is read from the body.
    const tls = { rejectUnauthorized: false, servername: options.host ?? '', ...options.certificate };
    const call = protocol === 'https' ? httpsRequest({ ...common, ...tls }, onResponse) : httpRequest(common, onResponse);
    call.on('error', (error) => resolve(failed(error.name === 'AbortError' ? new Error('timeout') : error)));
    call.end(body);
  });

const callTcp = ({ to, body = 'hello', timeoutMs = 10_000 }: Call): Promise<CallAnswer> =>
  new Promise((resolve) => {
    const address = parseAddress(to);
    const socket: Socket = isPath(address) ? tcpConnect(address.path) : tcpConnect(address.port, address.host);
    let received = '';
    const finish = (answer: CallAnswer): void => {
      clearTimeout(timer);
      resolve(answer);
      socket.destroy();
    };
    const timer = setTimeout(() => finish(failed(new Error('timeout'))), timeoutMs);
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${body}\n`));
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (received.endsWith(`${body}\n`)) finish({ status: 0, headers: {}, body: received });
    });
    socket.on('error', (error) => finish(failed(error)));
    socket.on('close', () => finish({ ...failed(new Error('closed')), body: received }));
  });

/** Makes a call, from this process or as a process of its own in a network namespace. Never rejects for a call that failed. */
export const makeCall = async (call: Call, { netns }: { netns?: string } = {}): Promise<CallAnswer> => {
  if (netns === undefined) return call.protocol === 'tcp' ? callTcp(call) : callHttp(call);
  const script = await startScript<CallAnswer>({
    file: import.meta.filename,
    args: [JSON.stringify({ call })],
    name: 'client',
    netns,
    deadlineMs: (call.timeoutMs ?? 10_000) + 10_000,
  });
  await script.stop();
  return script.ready;
};

/** What a load came to. */
export interface LoadResult {
  sent: number;
  /** Calls that failed to connect, or were answered with 400 or above. */
  failed: number;
  /** How often each outcome was seen: an echo server's name, a status, or an error. */
  outcomes: Record<string, number>;
}

/** A client that calls again and again. */
export interface Load {
  /** What it has come to so far. */
  result(): Promise<LoadResult>;
  /** Lets the running calls end, and gives the result. */
  stop(): Promise<LoadResult>;
}

/** How the load is made. */
export interface LoadOptions {
  netns?: string;
  /** Calls that run at the same time, each on a connection of its own. Default 4. */
  concurrency?: number;
  /** Pause of each between two calls. Default 2. */
  pauseMs?: number;
}

const runLoad = (call: Call, { concurrency = 4, pauseMs = 2 }: LoadOptions): Load => {
  const result: LoadResult = { sent: 0, failed: 0, outcomes: {} };
  let stopping = false;
  const lane = async (): Promise<void> => {
    while (!stopping) {
      const { status, echo, error } = await makeCall(call);
      const outcome = error ?? (status >= 400 ? String(status) : (echo?.name ?? String(status)));
      result.sent++;
      if (error !== undefined || status >= 400) result.failed++;
      result.outcomes[outcome] = (result.outcomes[outcome] ?? 0) + 1;
      await sleep(pauseMs);
    }
  };
  const lanes = Promise.all(Array.from({ length: concurrency }, lane));
  return {
    result: async () => structuredClone(result),
    stop: async () => {
      stopping = true;
      await lanes;
      return result;
    },
  };
};

/** Starts a load that goes on until it is stopped. */
export const startLoad = async (call: Call, options: LoadOptions = {}): Promise<Load> => {
  const { netns, ...rest } = options;
  if (netns === undefined) return runLoad(call, rest);
  const script = await startScript({
    file: import.meta.filename,
    args: [JSON.stringify({ call, load: rest })],
    name: 'load client',
    netns,
  });
  return {
    result: () => script.ask<LoadResult>({}),
    stop: async () => {
      const result = await script.ask<LoadResult>({ stop: true });
      await script.stop();
      return result;
    },
  };
};

/** `node client.ts '{"call":{"to":"127.0.0.1:80"}}'` prints a `CallAnswer`; with `"load":{}`, a `LoadResult` for each line of stdin. */
const main = async (): Promise<void> => {
  const { call, load } = JSON.parse(process.argv[2] ?? '{}') as { call: Call; load?: LoadOptions };
  if (load === undefined) {
    console.log(JSON.stringify(await makeCall(call)));
    return;
  }
  const running = runLoad(call, load);
  console.log(JSON.stringify({ started: true }));
  for await (const line of createInterface({ input: process.stdin })) {
    const { stop } = JSON.parse(line) as { stop?: boolean };
    console.log(JSON.stringify(await (stop ? running.stop() : running.result())));
  }
};

if (isScript(import.meta.filename)) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
