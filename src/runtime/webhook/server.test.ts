import { Agent, request as httpsRequest } from 'node:https';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../logger.ts';
import { FakeClock, settle } from '../testing/fake-clock.ts';
import { hang } from '../testing/memory-leases.ts';
import { selfSigned } from '../testing/self-signed.ts';
import { type AdmissionHandler, allowed, denied, errored, patched } from './admission.ts';
import { CertificateValue } from './certificates.ts';
import { WebhookServer, type WebhookServerOptions } from './server.ts';

const certificate = selfSigned();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function startServer(options: Partial<WebhookServerOptions> = {}, hooks: Record<string, AdmissionHandler> = {}) {
  const registry = new Registry();
  const server = new WebhookServer({
    certificates: new CertificateValue(certificate),
    bind: { host: '127.0.0.1', port: 0 },
    registry,
    logger: silentLogger,
    ...options,
  });
  for (const [path, handler] of Object.entries(hooks)) server.register(path, handler);
  const stop = new AbortController();
  const run = server.start(stop.signal);
  ends.push(async () => {
    stop.abort();
    await run;
  });
  await server.waitForReady(stop.signal);
  const port = Number(server.address!.split(':')[1]);
  return { server, port, registry, stop, run };
}

interface Answer {
  readonly code: number;
  readonly text: string;
  readonly shown: PeerCertificate;
}

interface Ask {
  readonly path?: string;
  readonly body?: string;
  readonly method?: string;
  readonly contentType?: string;
  readonly ca?: string;
  readonly client?: { cert: string; key: string };
  readonly localAddress?: string;
}

function ask(port: number, { path = '/check', body = '', method = 'POST', contentType = 'application/json', ...tls }: Ask = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        agent: false,
        ca: tls.ca ?? certificate.certificate,
        ...tls.client,
        ...(tls.localAddress !== undefined && { localAddress: tls.localAddress }),
        headers: { 'content-type': contentType },
      },
      (response) => {
        const shown = (response.socket as TLSSocket).getPeerCertificate();
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve({ code: response.statusCode!, text, shown }));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const review = (request: object = {}, apiVersion = 'admission.k8s.io/v1') =>
  JSON.stringify({
    apiVersion,
    kind: 'AdmissionReview',
    request: { uid: 'u-1', operation: 'CREATE', kind: { group: '', version: 'v1', kind: 'Pod' }, name: 'p', ...request },
  });

describe('webhook server', () => {
  it.each([
    ['allowed', allowed(), { allowed: true }],
    [
      'with remarks',
      allowed({ warnings: ['old field'], auditAnnotations: { why: 'x' } }),
      { allowed: true, warnings: ['old field'], auditAnnotations: { why: 'x' } },
    ],
    [
      'patched',
      patched([{ op: 'add', path: '/a', value: 1 }], { warnings: [] }),
      { allowed: true, patchType: 'JSONPatch', patch: 'W3sib3AiOiJhZGQiLCJwYXRoIjoiL2EiLCJ2YWx1ZSI6MX1d' },
    ],
    ['patched by nothing', patched([]), { allowed: true }],
    ['denied', denied('no'), { allowed: false, status: { code: 403, reason: 'Forbidden', message: 'no' } }],
    ['errored', errored(422, 'bad'), { allowed: false, status: { code: 422, message: 'bad' } }],
  ])('answers %s with the uid of the question', async (_, answer, response) => {
    const { port } = await startServer({}, { '/check': () => answer });
    const { code, text } = await ask(port, { body: review() });
    expect(code).toBe(200);
    expect(JSON.parse(text)).toEqual({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'u-1', ...response },
    });
  });

  it('hands the request over and answers in its version', async () => {
    let seen: unknown;
    const { port } = await startServer(
      {},
      {
        '/check': (request) => {
          seen = request;
          return allowed();
        },
      },
    );
    const { text } = await ask(port, { body: review({ object: { a: 1 }, dryRun: true }, 'admission.k8s.io/v1beta1') });
    expect(seen).toMatchObject({ uid: 'u-1', operation: 'CREATE', object: { a: 1 }, dryRun: true });
    expect(JSON.parse(text).apiVersion).toBe('admission.k8s.io/v1beta1');
  });

  it.each<[string, Ask, number, string]>([
    ['a path that nobody registered', { path: '/other' }, 404, 'no webhook is registered at /other'],
    ['a method that is not POST', { method: 'PUT' }, 405, 'use POST'],
    ['a body that is not JSON by its type', { contentType: 'text/yaml' }, 415, 'content type is text/yaml'],
    ['a body that is not JSON', { body: '{' }, 400, 'the body is not JSON'],
    ['no body', {}, 400, 'the body is not JSON'],
    ['another object', { body: '{"kind":"Pod","apiVersion":"v1"}' }, 400, 'but v1 Pod'],
    ['null', { body: 'null' }, 400, 'not an AdmissionReview'],
    [
      'a review without a request',
      { body: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}' },
      400,
      'has no request',
    ],
    ['a body that is too large', { body: review({ object: 'x'.repeat(2_000) }) }, 413, 'larger than 1000 bytes'],
  ])('refuses %s', async (_, question, code, message) => {
    const { port } = await startServer({ maxBodyBytes: 1_000 }, { '/check': () => allowed() });
    const answer = await ask(port, question);
    expect(answer.code).toBe(code);
    expect(answer.text).toContain(message);
  });

  it('answers below a path that ends in a star, the longest first', async () => {
    const says =
      (message: string): AdmissionHandler =>
      () =>
        denied(message);
    const { port } = await startServer({}, { '/a': says('/a'), '/a/*': says('/a/*'), '/a/b/*': says('/a/b/*') });
    const message = async (path: string) => {
      const { code, text } = await ask(port, { path, body: review() });
      return code === 200 ? JSON.parse(text).response.status.message : code;
    };
    const asked = ['/a', '/a/', '/a/x', '/a/b', '/a/b/c/d', '/ab', '/'];
    expect(await Promise.all(asked.map(message))).toEqual(['/a', '/a/*', '/a/*', '/a/*', '/a/b/*', 404, 404]);
  });

  it('holds so many bytes at once and no more, and has room again when they are answered', async () => {
    const going = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    let underWay = 0;
    const { port } = await startServer(
      { maxBufferedBytes: 5_000 },
      {
        '/check': async () => {
          if (++underWay === 2) started.resolve();
          await going.promise;
          return allowed();
        },
      },
    );
    const body = review({ object: 'x'.repeat(2_000) });
    const from = (localAddress: string) => ask(port, { body, localAddress });
    const held = [from('127.0.0.1'), from('127.0.0.2')];
    await started.promise;
    expect(await from('127.0.0.3')).toMatchObject({ code: 503, text: 'requests under way hold more than 5000 bytes\n' });
    going.resolve();
    expect((await Promise.all(held)).map(({ code }) => code)).toEqual([200, 200]);
    expect((await from('127.0.0.3')).code).toBe(200);
  });

  it('answers 500 if the handler throws, and goes on', async () => {
    let fails = true;
    const { port, registry } = await startServer(
      {},
      {
        '/check': () => {
          if (fails) throw new TypeError('undefined is not a pod');
          return allowed();
        },
      },
    );
    expect(await ask(port, { body: review() })).toMatchObject({ code: 500, text: 'undefined is not a pod\n' });
    fails = false;
    expect((await ask(port, { body: review() })).code).toBe(200);
    const metrics = await registry.metrics();
    expect(metrics).toContain('controller_runtime_webhook_requests_total{webhook="/check",code="200"} 1');
    expect(metrics).toContain('controller_runtime_webhook_requests_total{webhook="/check",code="500"} 1');
    expect(metrics).toContain('controller_runtime_webhook_requests_in_flight{webhook="/check"} 0');
    expect(metrics).toContain('controller_runtime_webhook_latency_seconds_count{webhook="/check"} 2');
    expect(metrics).toContain('controller_runtime_webhook_panics_total 1');
  });

  it.each([
    ['/check?timeout=3s', 3_000],
    ['/check', 10_000],
  ])('gives up a handler of %s after %i ms', async (path, limitMs) => {
    const clock = new FakeClock();
    const started = Promise.withResolvers<AbortSignal>();
    const { port } = await startServer(
      { clock },
      {
        '/check': (_, { signal }) => {
          started.resolve(signal);
          return hang(signal);
        },
      },
    );
    const answer = ask(port, { path, body: review() });
    const signal = await started.promise;
    await clock.advanceAsync(limitMs - 1);
    expect(signal.aborted).toBe(false);
    await clock.advanceAsync(1);
    expect(await answer).toMatchObject({ code: 504, text: `CREATE of Pod /p: no answer after ${limitMs} ms\n` });
    expect(signal.aborted).toBe(true);
  });

  it('shows a new certificate to new connections, and keeps the old one when the new one is no good', async () => {
    const certificates = new CertificateValue(certificate);
    const { port } = await startServer({ certificates }, { '/check': () => allowed() });
    const first = await ask(port, { body: review() });
    const next = selfSigned();
    certificates.set(next);
    const second = await ask(port, { body: review(), ca: next.certificate });
    expect(second.shown.fingerprint256).not.toBe(first.shown.fingerprint256);
    await expect(ask(port, { body: review() })).rejects.toThrow();
    expect(() => certificates.set({ ...next, key: certificate.key })).toThrow();
    expect((await ask(port, { body: review(), ca: next.certificate })).code).toBe(200);
  });

  it('hears only clients of the CA that it is given', async () => {
    const client = selfSigned();
    const { port } = await startServer({ clientCa: client.certificate }, { '/check': () => allowed() });
    await expect(ask(port, { body: review() })).rejects.toThrow();
    const known = { cert: client.certificate, key: client.key };
    expect((await ask(port, { body: review(), client: known })).code).toBe(200);
  });

  it('holds no more than half of the bytes for one client address', async () => {
    const { port } = await startServer({ maxBufferedBytes: 4000 }, { '/check': () => allowed() });
    const slow = httpsRequest({
      ...{ host: '127.0.0.1', port, path: '/check', method: 'POST', agent: false, ca: certificate.certificate },
      headers: { 'content-type': 'application/json' },
    });
    slow.on('error', () => {});
    slow.write(' '.repeat(1990));
    const from = (localAddress: string) => ask(port, { body: review(), localAddress });
    await vi.waitFor(async () =>
      expect(await from('127.0.0.1')).toMatchObject({
        code: 503,
        text: 'requests under way from 127.0.0.1 hold more than 2000 bytes\n',
      }),
    );
    expect((await from('127.0.0.2')).code).toBe(200);
    slow.destroy();
    await vi.waitFor(async () => expect((await from('127.0.0.1')).code).toBe(200));
  });

  it('lets requests under way end when it stops', async () => {
    const going = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const handle: AdmissionHandler = async () => {
      started.resolve();
      await going.promise;
      return allowed();
    };
    const { server, port, stop, run } = await startServer({}, { '/check': handle });
    await server.startedCheck(stop.signal);
    const answer = ask(port, { body: review() });
    await started.promise;
    stop.abort();
    await settle();
    expect(() => server.startedCheck(stop.signal)).toThrow('does not listen');
    await expect(ask(port)).rejects.toThrow();
    going.resolve();
    expect((await answer).code).toBe(200);
    await run;
  });

  it('has clients leave with their next answer once it drains, and serves on', async () => {
    const { server, port } = await startServer({}, { '/check': () => allowed() });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const askOn = () =>
      new Promise<string | undefined>((resolve, reject) => {
        const options = { host: '127.0.0.1', port, path: '/check', method: 'POST', agent, ca: certificate.certificate };
        const request = httpsRequest({ ...options, headers: { 'content-type': 'application/json' } }, (response) =>
          response.resume().on('end', () => resolve(`${response.statusCode} ${response.headers.connection}`)),
        );
        request.on('error', reject);
        request.end(review());
      });
    expect(await askOn()).toBe('200 keep-alive');
    server.drain();
    expect([await askOn(), await askOn()]).toEqual(['200 close', '200 close']);
    agent.destroy();
  });

  it('needs a certificate, a port and paths of their own', async () => {
    const { server, port } = await startServer({}, { '/check': () => allowed() });
    expect(() => server.register('/check', () => allowed())).toThrow('registered at /check already');
    expect(() => server.register('check', () => allowed())).toThrow('begins with "/"');
    const { signal } = new AbortController();
    const bare = new WebhookServer({ certificates: new CertificateValue() });
    await expect(bare.start(signal)).rejects.toThrow('has no certificate to show');
    const taken = new WebhookServer({ certificates: new CertificateValue(certificate), bind: { host: '127.0.0.1', port } });
    const ready = taken.waitForReady(signal);
    await expect(taken.start(signal)).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
    await expect(ready).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
  });
});
