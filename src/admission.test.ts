import type { ClientRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addAdmission } from './admission.ts';
import { namespaceKind } from './api/kubernetes/namespace.ts';
import { TrustValue } from './authority/authority.ts';
import { Mesh } from './mesh/mesh.ts';
import { defaultMeshConfig } from './mesh/mesh-config.ts';
import { silentLogger } from './runtime/logger.ts';
import { Manager } from './runtime/manager/manager.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { FakeClock } from './runtime/testing/fake-clock.ts';
import { selfSigned } from './runtime/testing/self-signed.ts';
import { CertificateValue } from './runtime/webhook/certificates.ts';
import { defaultInjectionConfig } from './webhooks/injector/config/injection-config.ts';
import { injectPod } from './webhooks/injector/inject-pod.ts';

const mebibyte = 1024 * 1024;
const certificate = selfSigned();
let clock: FakeClock;
let port: number;
let end: () => Promise<void>;

beforeEach(async () => {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ name: 'none', server: 'http://127.0.0.1:1', skipTLSVerify: false }, { name: 'none' });
  clock = new FakeClock();
  const manager = new Manager({ kubeConfig, clock, logger: silentLogger });
  const metadata = { name: 'shop', namespace: '', labels: { 'istio-injection': 'enabled' } };
  manager.cache.store(namespaceKind).replace([{ apiVersion: 'v1', kind: 'Namespace', metadata }]);
  const server = addAdmission(
    manager,
    new Mesh(defaultMeshConfig, clock.now),
    { certificates: new CertificateValue(certificate), trust: new TrustValue() },
    { bind: { host: '127.0.0.1', port: 0 }, inject: injectPod, config: () => defaultInjectionConfig, prepare: async () => {} },
  );
  const stop = new AbortController();
  const run = server.start(stop.signal);
  await server.waitForReady(stop.signal);
  port = Number(server.address!.split(':')[1]);
  end = async () => {
    stop.abort();
    await run;
  };
});
afterEach(() => end());

interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly contentType?: string;
  readonly headers?: Record<string, string>;
}

/** What came back, and whether the connection is over. */
interface Answer {
  readonly code: number;
  readonly text: string;
  readonly isClosing: boolean;
}

/** Sends headers; the body is the caller's. */
function open({ path = '/inject', method = 'POST', contentType = 'application/json', headers = {} }: Ask = {}) {
  const options = { host: '127.0.0.1', port, path, method, agent: false, ca: certificate.certificate } as const;
  const request = httpsRequest({ ...options, headers: { 'content-type': contentType, ...headers } });
  const closed = new Promise<void>((resolve) => request.once('close', resolve));
  const answer = new Promise<Answer>((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      const { statusCode: code = 0, headers } = response;
      // An answer that is cut off is one, too: its length says that it is whole.
      const finish = () => resolve({ code, text, isClosing: headers.connection === 'close' });
      response.on('end', finish).on('error', finish);
    });
  });
  return { request, answer, closed };
}

const ask = (body: string | Buffer, options?: Ask): Promise<Answer> => {
  const { request, answer } = open(options);
  // Who refuses may close before everything is sent.
  request.on('error', () => {});
  request.end(body);
  return answer;
};

/** A review of a pod, of so many bytes. */
function review(sizeBytes = 0): Buffer {
  const text = (padding: string) =>
    JSON.stringify({
      ...{ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' },
      request: {
        ...{ uid: '705ab4f5-6393-11e8-b7cc-42010a800002', operation: 'CREATE', namespace: 'shop' },
        ...{ kind: { group: '', version: 'v1', kind: 'Pod' }, resource: { group: '', version: 'v1', resource: 'pods' } },
        object: { metadata: { name: 'web', annotations: { padding } }, spec: { containers: [{ name: 'web', image: 'web' }] } },
      },
    });
  return Buffer.from(text('x'.repeat(Math.max(sizeBytes - text('').length, 0))));
}

describe('the webhooks of the operator, over HTTPS', () => {
  it('echo the uid of the review', async () => {
    const { code, text } = await ask(review());
    expect(code).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      ...{ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' },
      response: { uid: '705ab4f5-6393-11e8-b7cc-42010a800002', allowed: true, patchType: 'JSONPatch' },
    });
  });

  it('take a body of 6.5 MiB, and not a byte more', async () => {
    const limitBytes = 6.5 * mebibyte;
    const { code, text } = await ask(review(limitBytes));
    expect([code, JSON.parse(text).response.allowed]).toEqual([200, true]);
    expect(await ask(review(limitBytes + 1))).toEqual({
      ...{ code: 413, isClosing: true },
      text: `the body is larger than ${limitBytes} bytes\n`,
    });
  });

  it.each([
    ['that says its length', {}],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
  ])('refuse a body of 7 MiB %s, so that the client reads why', async (_, headers) => {
    expect(await ask(review(7 * mebibyte), { headers })).toMatchObject({
      code: 413,
      text: expect.stringMatching(/larger than \d+ bytes/),
    });
  });

  it('end a body without an end', async () => {
    const { request, answer, closed } = open();
    request.on('error', () => {});
    let sentBytes = 0;
    const chunk = Buffer.alloc(mebibyte, ' ');
    const pour = (): void => {
      if (request.destroyed) return;
      sentBytes += chunk.length;
      if (request.write(chunk)) pour();
    };
    request.on('drain', pour);
    pour();
    expect(await answer).toMatchObject({ code: 413 });
    await closed;
    expect(sentBytes).toBeGreaterThan(6 * mebibyte);
  });

  it('end a body that does not come', async () => {
    const { request, answer, closed } = open();
    request.on('error', () => {});
    request.write('{"apiVersion":');
    await eventually(() => expect(clock.pendingTimers).toBe(1));
    clock.advance(30_000);
    expect(await answer).toMatchObject({ code: 408, text: 'the body was not there within 30 s\n' });
    await eventually(() => expect(clock.pendingTimers).toBe(1));
    clock.advance(2_000);
    await closed;
    expect(clock.pendingTimers).toBe(0);
  });

  it('forget a client that goes away in the middle', async () => {
    const { request, answer } = open();
    answer.catch(() => {});
    request.write('{"apiVersion":');
    await eventually(() => expect(clock.pendingTimers).toBe(1));
    abandon(request);
    await eventually(() => expect(clock.pendingTimers).toBe(0));
    expect((await ask(review())).code).toBe(200);
  });

  it.each<[string, string, Ask, number, string]>([
    ['JSON that is broken off', '{"kind":', {}, 400, 'the body is not JSON: '],
    ['a body that is no JSON', 'kind: AdmissionReview', {}, 400, 'the body is not JSON: '],
    ['an empty body', '', {}, 400, 'the body is not JSON: '],
    ['another object', '{"apiVersion":"v1","kind":"Pod"}', {}, 400, 'not an AdmissionReview of admission.k8s.io/v1'],
    [
      'another content type',
      'x',
      { contentType: 'application/yaml' },
      415,
      'content type is application/yaml; send application/json',
    ],
    ['another method', '', { method: 'GET' }, 405, 'GET is not answered here; use POST'],
    ['another path', '{}', { path: '/mutate' }, 404, 'no webhook is registered at /mutate'],
  ])('refuse %s', async (_, body, options, code, message) => {
    for (const path of options.path ? [options.path] : ['/inject', '/validate']) {
      expect(await ask(body, { ...options, path })).toMatchObject({ code, text: expect.stringContaining(message) });
    }
  });
});

function abandon(request: ClientRequest): void {
  request.on('error', () => {});
  request.destroy();
}
