import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError, ConnectionError } from './api-error.ts';
import { RestClient } from './rest-client.ts';

type Handler = (request: http.IncomingMessage, response: http.ServerResponse, body: string) => void;

describe('RestClient', () => {
  let server: http.Server;
  let handlers: Handler[];
  let seen: { line: string; headers: http.IncomingHttpHeaders; body: string }[];
  let client: RestClient;
  let registry: Registry;

  beforeEach(async () => {
    handlers = [];
    seen = [];
    registry = new Registry();
    server = http.createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      (handlers.length > 1 ? handlers.shift()! : handlers[0]!)(request, response, body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = new RestClient({ kubeConfig: kubeConfigOf(`http://127.0.0.1:${port()}/base/`, { token: 'secret' }), registry });
  });

  afterEach(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const port = () => (server.address() as AddressInfo).port;
  const ok: Handler = (_, response) => response.end('{"ok":true}');
  const status =
    (code: number, retryAfter?: string): Handler =>
    (_, response) => {
      response.writeHead(code, retryAfter === undefined ? {} : { 'Retry-After': retryAfter });
      response.end(JSON.stringify({ kind: 'Status', code, reason: 'Because', message: 'so it is', details: { name: 'a' } }));
    };
  const breakOff: Handler = (request) => request.socket.resetAndDestroy();

  it('sends path, query, credentials and a JSON body', async () => {
    handlers = [ok];
    const answer = await client.request({
      method: 'PATCH',
      path: '/api/v1/pods',
      query: { a: 'x y', b: 1, c: true, d: undefined },
      body: { name: 'ü' },
      contentType: 'application/merge-patch+json',
    });
    expect(answer).toEqual({ ok: true });
    expect(seen[0]).toMatchObject({
      line: 'PATCH /base/api/v1/pods?a=x+y&b=1&c=true',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/merge-patch+json', accept: 'application/json' },
      body: '{"name":"ü"}',
    });
  });

  it('makes an error of a refusal, which names verb, resource and object', async () => {
    handlers = [status(409)];
    const error = await client
      .request({ method: 'PUT', path: '/apis/a.io/v1/namespaces/n/things/t/status' })
      .catch((e: ApiError) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 409, reason: 'Because', serverMessage: 'so it is', details: { name: 'a' } });
    expect((error as ApiError).message).toBe('cannot update things.a.io/status n/t: 409 Because: so it is');
  });

  it('keeps the words of an answer that is no Status', async () => {
    handlers = [(_, response) => response.writeHead(502).end('<html>bad gateway</html>')];
    await expect(client.request({ path: '/version' })).rejects.toThrow('cannot get /version: 502: <html>bad gateway</html>');
  });

  it('rejects an answer that is no JSON', async () => {
    handlers = [(_, response) => response.end('<html>')];
    await expect(client.request({ path: '/version' })).rejects.toThrow(/is no JSON: <html>/);
    expect(seen).toHaveLength(1);
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const)(
    'tries a %s again when the API server says when',
    async (method) => {
      handlers = [status(429, '0'), status(503, '0'), ok];
      expect(await client.request({ method, path: '/x' })).toEqual({ ok: true });
      expect(seen).toHaveLength(3);
    },
  );

  it('leaves refusals without Retry-After to the caller, and waits that are too long', async () => {
    for (const handler of [status(429), status(500), status(503, '3600')]) {
      handlers = [handler];
      seen = [];
      await expect(client.request({ path: '/x' })).rejects.toThrow(ApiError);
      expect(seen).toHaveLength(1);
    }
    await expect(client.request({ path: '/x' })).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
  });

  it('gives up after so many retries', async () => {
    handlers = [status(429, '0')];
    await expect(client.request({ path: '/x', maxRetries: 2 })).rejects.toThrow(ApiError);
    expect(seen).toHaveLength(3);
  });

  it('tries again after a broken connection only what may be done twice', async () => {
    handlers = [breakOff, ok];
    expect(await client.request({ path: '/x' })).toEqual({ ok: true });
    handlers = [breakOff, ok];
    expect(await client.request({ method: 'PATCH', path: '/x', isIdempotent: true })).toEqual({ ok: true });
    handlers = [breakOff, ok];
    const error = await client.request({ method: 'POST', path: '/x' }).catch((e) => e);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: 'ECONNRESET', isUnsent: false });
  });

  it('tries anything again that cannot have arrived', async () => {
    const closed = http.createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const refused = new RestClient({ kubeConfig: kubeConfigOf(`http://127.0.0.1:${port}`), registry });
    const error = await refused.request({ method: 'POST', path: '/x', maxRetries: 1 }).catch((e) => e);
    expect(error).toMatchObject({ name: 'ConnectionError', code: 'ECONNREFUSED', isUnsent: true });
    const series = (await registry.getSingleMetric('rest_client_requests_total')!.get()).values;
    expect(series.find(({ labels }) => labels.code === '<error>')?.value).toBe(2);
    refused.close();
  });

  it('does not wait longer than it may, for the beginning or the end of an answer', async () => {
    for (const handler of [(() => {}) as Handler, ((_, response) => response.write('{')) as Handler]) {
      handlers = [handler];
      const error = await client.request({ path: '/x', timeoutMs: 30, maxRetries: 0 }).catch((e) => e);
      expect(error).toMatchObject({ code: 'ETIMEDOUT', message: expect.stringContaining('within 0.03 s') });
    }
  });

  it('ends with the signal of the caller, with its reason, at every point', async () => {
    const reason = new Error('enough');
    await expect(client.request({ path: '/x', signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(seen).toHaveLength(0);

    const beforeAnswer = new AbortController();
    handlers = [() => beforeAnswer.abort(reason)];
    await expect(client.request({ path: '/x', signal: beforeAnswer.signal })).rejects.toBe(reason);

    const betweenTries = new AbortController();
    handlers = [status(429, '30')];
    const waiting = client.request({ path: '/x', signal: betweenTries.signal });
    setTimeout(() => betweenTries.abort(reason), 30);
    await expect(waiting).rejects.toBe(reason);
  });

  it('streams an answer in the pieces in which it comes', async () => {
    let write!: (text: string | undefined) => void;
    handlers = [
      (_, response) => {
        write = (text) => void (text === undefined ? response.end() : response.write(text));
        response.flushHeaders();
      },
    ];
    const stream = await client.stream({ path: '/x', timeoutMs: 30 });
    const pieces = stream.chunks[Symbol.asyncIterator]();
    write('one');
    expect(String((await pieces.next()).value)).toBe('one');
    // The time allowed is that until the answer begins.
    await new Promise((resolve) => setTimeout(resolve, 60));
    write('two');
    expect(String((await pieces.next()).value)).toBe('two');
    write(undefined);
    expect((await pieces.next()).done).toBe(true);
  });

  it('throws from a stream that breaks, is aborted, or whose client is closed', async () => {
    const begin = async (signal?: AbortSignal) => {
      let socket!: http.IncomingMessage['socket'];
      handlers = [
        (request, response) => {
          socket = request.socket;
          response.write('x');
        },
      ];
      const stream = await client.stream({ path: '/x', signal });
      const pieces = stream.chunks[Symbol.asyncIterator]();
      await pieces.next();
      return { pieces, socket };
    };
    const broken = await begin();
    broken.socket.resetAndDestroy();
    await expect(broken.pieces.next()).rejects.toMatchObject({ name: 'ConnectionError', code: 'ECONNRESET' });

    const stop = new AbortController();
    const aborted = await begin(stop.signal);
    stop.abort(new Error('enough'));
    await expect(aborted.pieces.next()).rejects.toThrow('enough');

    const closed = await begin();
    client.close();
    await expect(closed.pieces.next()).rejects.toThrow(/was closed/);
    await expect(client.request({ path: '/x' })).rejects.toThrow(/was closed/);
  });

  it('keeps its connection from request to request', async () => {
    handlers = [ok];
    let connections = 0;
    server.on('connection', () => connections++);
    for (let i = 0; i < 5; i++) await client.request({ path: '/x' });
    expect(connections).toBe(1);
  });

  it("counts under client-go's names", async () => {
    handlers = [status(404), ok];
    await client.request({ path: '/api/v1/pods' }).catch(() => {});
    await client.request({ path: '/api/v1/pods' });
    const text = await registry.metrics();
    const host = `127.0.0.1:${port()}`;
    expect(text).toContain(`rest_client_requests_total{code="404",host="${host}",method="GET"} 1`);
    expect(text).toContain(`rest_client_requests_total{code="200",host="${host}",method="GET"} 1`);
    expect(text).toContain(`rest_client_request_duration_seconds_count{verb="list",host="${host}"} 2`);
  });

  it('says whose credentials cannot be had', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/no/such/plugin' };
    const kubeConfig = kubeConfigOf(`http://127.0.0.1:${port()}`, { exec });
    const plugged = new RestClient({ kubeConfig });
    await expect(plugged.request({ path: '/x' })).rejects.toThrow(`user "test": spawn /no/such/plugin ENOENT`);
    plugged.close();
  });

  it('says which context names no cluster', () => {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromOptions({ clusters: [], users: [], contexts: [], currentContext: 'nowhere' });
    expect(() => new RestClient({ kubeConfig })).toThrow(/current context "nowhere" names no cluster/);
  });
});

function kubeConfigOf(server: string, user: { token?: string; exec?: unknown } = {}): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ name: 'test', server, skipTLSVerify: true }, { name: 'test', ...user });
  return kubeConfig;
}
