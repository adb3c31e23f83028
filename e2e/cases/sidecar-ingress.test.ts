import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { makeCall } from '../env/client.ts';
import { conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { sidecar } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, defer, release } = createKeeper();
afterEach(release);

const identity = { interceptionMode: 'NONE' } as const;
const file = (name: string) => fileURLToPath(new URL(`../testdata/tls/${name}`, import.meta.url));
const certificate = async (name: string) => ({
  cert: await readFile(file(`${name}.crt`), 'utf8'),
  key: await readFile(file(`${name}.key`), 'utf8'),
});
const serverFiles = { serverCertificate: file('echo.crt'), privateKey: file('echo.key') };

describe.skipIf((await findEnvoy()) === undefined)('ingress listeners', () => {
  it('lead to loopback of either family and to a socket, from addresses of either family', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-ingress-'));
    defer(() => rm(folder, { recursive: true }));
    const socket = join(folder, 'app.sock');
    const [v4, v6] = [
      await keep(startEcho({ name: 'v4', listen: '127.0.0.1:0' })),
      await keep(startEcho({ name: 'v6', listen: '[::1]:0' })),
    ];
    await keep(startEcho({ name: 'socket', listen: `unix:${socket}` }));
    const [a, b, c, d] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const listener = (number: number, bind: string, defaultEndpoint: string) => ({
      port: { number, name: `http-${number}`, protocol: 'HTTP' },
      bind,
      captureMode: 'NONE' as const,
      defaultEndpoint,
    });
    const object = sidecar('default', {
      ingress: [
        listener(a, '127.0.0.1', `127.0.0.1:${v4.port}`),
        listener(b, '127.0.0.1', `[::1]:${v6.port}`),
        listener(c, '::1', `unix://${socket}`),
        listener(d, '::1', `0.0.0.0:${v4.port}`),
      ],
    });
    const plane = await keep(startControlPlane({ files: { 'sidecar.yaml': [object] } }));
    await keep(startProxy({ plane, identity: { ...identity, ips: ['127.0.0.1', '::1'] } }));
    await plane.waitReady(object, { affected: 1 });
    const ask = async (to: string) => (await makeCall({ to })).echo?.name;
    expect(await Promise.all([ask(`127.0.0.1:${a}`), ask(`127.0.0.1:${b}`), ask(`[::1]:${c}`), ask(`[::1]:${d}`)])).toEqual([
      'v4',
      'v6',
      'socket',
      'v4',
    ]);
  });

  it('end TLS, and take nothing in plain text', async () => {
    const app = await keep(startEcho({ name: 'app' }));
    const lines = await keep(startEcho({ name: 'lines', protocol: 'tcp' }));
    const [https, tls] = [await freePort(), await freePort()];
    const object = sidecar('default', {
      ingress: [
        {
          port: { number: https, name: 'https', protocol: 'HTTPS' },
          bind: '127.0.0.1',
          defaultEndpoint: `127.0.0.1:${app.port}`,
          tls: { mode: 'SIMPLE', ...serverFiles },
        },
        {
          port: { number: tls, name: 'tls', protocol: 'TLS' },
          bind: '::1',
          defaultEndpoint: `127.0.0.1:${lines.port}`,
          tls: { mode: 'SIMPLE', ...serverFiles, minProtocolVersion: 'TLSV1_3' },
        },
      ],
    });
    const plane = await keep(startControlPlane({ files: { 'sidecar.yaml': [object] } }));
    await keep(startProxy({ plane, identity }));
    await plane.waitReady(object, { affected: 1 });

    const answer = await makeCall({ protocol: 'https', to: `127.0.0.1:${https}`, host: 'app.example.com' });
    expect(answer.echo).toMatchObject({ name: 'app', httpVersion: '1.1' });
    expect(answer.echo?.headers['x-forwarded-proto']).toBe('https');
    expect(answer.echo?.headers['x-forwarded-client-cert']).toBeUndefined();
    expect((await makeCall({ to: `127.0.0.1:${https}` })).error).toMatch(/ECONNRESET|socket hang up|Parse/);
    expect(await app.requests()).toBe(1);

    expect(await greetingOver(tls, 'TLSv1.3')).toBe('lines\n');
    expect(await greetingOver(tls, 'TLSv1.2')).toMatch(/alert|protocol/i);
  });

  it('ask clients for a certificate, and tell the workload whose it was', async () => {
    const app = await keep(startEcho({ name: 'app' }));
    const [required, optional] = [await freePort(), await freePort()];
    const listener = (number: number, mode: 'MUTUAL' | 'OPTIONAL_MUTUAL') => ({
      port: { number, name: `https-${number}`, protocol: 'HTTPS' },
      bind: '127.0.0.1',
      defaultEndpoint: `127.0.0.1:${app.port}`,
      tls: { mode, ...serverFiles, caCertificates: file('echo.crt') },
    });
    const object = sidecar('default', { ingress: [listener(required, 'MUTUAL'), listener(optional, 'OPTIONAL_MUTUAL')] });
    const plane = await keep(startControlPlane({ files: { 'sidecar.yaml': [object] } }));
    await keep(startProxy({ plane, identity }));
    await plane.waitReady(object, { affected: 1 });
    const ask = async (port: number, who?: string) =>
      makeCall({
        protocol: 'https',
        to: `127.0.0.1:${port}`,
        host: 'app.example.com',
        headers: { 'x-forwarded-client-cert': 'URI=spiffe://weft.test/forged' },
        ...(who ? { certificate: await certificate(who) } : {}),
      });
    const known = await ask(required, 'client');
    expect(known.echo?.name).toBe('app');
    expect(known.echo?.headers['x-forwarded-client-cert']).toMatch(
      /Subject="CN=weft e2e client";URI=spiffe:\/\/weft\.test\/client$/,
    );
    expect((await ask(required)).error).toBeDefined();
    expect((await ask(required, 'stranger')).error).toBeDefined();
    const nobody = await ask(optional);
    expect(nobody.echo?.name).toBe('app');
    expect(nobody.echo?.headers['x-forwarded-client-cert']).toBeUndefined();
    expect((await ask(optional, 'stranger')).error).toBeDefined();
    expect(await app.requests()).toBe(2);
  });

  it('are refused where a certificate is missing, with its path in the status; the other listeners serve on', async () => {
    const app = await keep(startEcho({ name: 'app' }));
    const [plain, https] = [await freePort(), await freePort()];
    const object = (serverCertificate: string) =>
      sidecar('default', {
        ingress: [
          {
            port: { number: plain, name: 'http', protocol: 'HTTP' },
            bind: '127.0.0.1',
            defaultEndpoint: `127.0.0.1:${app.port}`,
          },
          {
            port: { number: https, name: 'https', protocol: 'HTTPS' },
            bind: '127.0.0.1',
            defaultEndpoint: `127.0.0.1:${app.port}`,
            tls: { mode: 'SIMPLE', privateKey: file('echo.key'), serverCertificate },
          },
        ],
      });
    const plane = await keep(startControlPlane({ files: { 'sidecar.yaml': [object('/nowhere/server.crt')] } }));
    await keep(startProxy({ plane, identity }));
    const refused = await plane.waitForStatus(
      'to be rejected',
      object(''),
      (status) => conditionOf(status, 'Ready') === 'False ProxyRejected',
    );
    expect(refused.propagation?.rejections?.[0]).toMatchObject({
      resource: `inbound_127.0.0.1_${https}`,
      message: expect.stringContaining('/nowhere/server.crt'),
    });
    expect((await makeCall({ to: `127.0.0.1:${plain}` })).echo?.name).toBe('app');
    await plane.apply('sidecar.yaml', [object(file('echo.crt'))], { affected: 1 });
    expect((await makeCall({ protocol: 'https', to: `127.0.0.1:${https}`, host: 'app.example.com' })).echo?.name).toBe('app');
  });
});

/** The first bytes that a TCP server sends through TLS of one version, or why there are none. */
function greetingOver(port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '::1', port, rejectUnauthorized: false, minVersion: version, maxVersion: version });
    socket.setEncoding('utf8');
    const finish = (text: string) => {
      resolve(text);
      socket.destroy();
    };
    socket.once('data', finish);
    socket.once('error', (error) => finish(error.message));
  });
}
