import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Call, makeCall } from '../env/client.ts';
import { conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, sidecar, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, defer, release } = createKeeper();
afterEach(release);

const identity = { interceptionMode: 'NONE' } as const;
const ask = async (call: Call) => {
  const answer = await makeCall(call);
  return answer.echo?.name ?? (answer.status || answer.body.split('\n')[0] || answer.error);
};

describe.skipIf((await findEnvoy()) === undefined)('egress listeners', () => {
  it('listen on a socket, an abstract one, and an IPv6 address; each for its own hosts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-egress-'));
    defer(() => rm(folder, { recursive: true }));
    const socket = join(folder, 'out.sock');
    const [web, lines] = [await keep(startEcho({ name: 'web' })), await keep(startEcho({ name: 'lines', protocol: 'tcp' }))];
    const [http, tcp] = [await freePort(), await freePort()];
    const abstract = `weft-e2e-${process.pid}-${tcp}`;
    const hosts = [
      serviceEntry(
        'web',
        staticHost('web.example.com', { number: http, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: web.port }]),
      ),
      serviceEntry(
        'lines',
        staticHost('lines.example.com', { number: tcp, protocol: 'TCP' }, [{ address: '127.0.0.1', port: lines.port }]),
      ),
    ];
    const object = sidecar('default', {
      egress: [
        { port: { number: 0, name: 'socket', protocol: 'HTTP' }, bind: `unix://${socket}`, hosts: ['./web.example.com'] },
        { port: { number: 0, name: 'abstract', protocol: 'TCP' }, bind: `unix://@${abstract}`, hosts: ['./lines.example.com'] },
        { port: { number: http, name: 'v6', protocol: 'HTTP' }, bind: '::1', captureMode: 'NONE', hosts: ['./*'] },
        { port: { number: tcp, name: 'loopback', protocol: 'TCP' }, captureMode: 'NONE', hosts: ['./*'] },
      ],
    });
    const plane = await keep(startControlPlane({ files: { 'hosts.yaml': hosts, 'sidecar.yaml': [object] } }));
    await keep(startProxy({ plane, identity }));
    await plane.waitReady(object, { affected: 1 });
    expect(await ask({ to: `unix:${socket}`, host: `web.example.com:${http}` })).toBe('web');
    expect(await ask({ to: `unix:${socket}`, host: `lines.example.com:${tcp}` })).toBe(502);
    expect(await ask({ to: `unix:\0${abstract}`, protocol: 'tcp' })).toBe('lines');
    expect(await ask({ to: `[::1]:${http}`, host: 'web.example.com' })).toBe('web');
    expect(await ask({ to: `127.0.0.1:${http}`, host: 'web.example.com' })).toBe('ECONNREFUSED');
    expect(await ask({ to: `127.0.0.1:${tcp}`, protocol: 'tcp' })).toBe('lines');
  });

  it('send what no service claims to the egress proxy, if it is imported; under REGISTRY_ONLY nowhere', async () => {
    const [web, gate] = [await keep(startEcho({ name: 'web' })), await keep(startEcho({ name: 'gate' }))];
    const [http, gatePort] = [await freePort(), await freePort()];
    const hosts = [
      serviceEntry(
        'web',
        staticHost('web.example.com', { number: http, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: web.port }]),
      ),
      serviceEntry(
        'gate',
        staticHost('gate.example.com', { number: gatePort, protocol: 'TCP' }, [{ address: '127.0.0.1', port: gate.port }]),
      ),
    ];
    const through = (imported: string[]) =>
      sidecar('default', {
        egress: [{ hosts: imported }],
        outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'gate.example.com', port: { number: gatePort } } },
      });
    const plane = await keep(startControlPlane({ files: { 'hosts.yaml': hosts, 'sidecar.yaml': [through(['./*'])] } }));
    await keep(startProxy({ plane, identity }));
    await plane.waitReady(through([]), { affected: 1 });
    const to = `127.0.0.1:${http}`;
    expect(await ask({ to, host: 'web.example.com' })).toBe('web');
    expect(await ask({ to, host: 'nobody.example.org' })).toBe('gate');
    expect(conditionOf(await plane.status(through([])), 'ResolvedRefs')).toBe('True ResolvedRefs');

    await plane.apply('sidecar.yaml', [through(['./web.example.com'])], { affected: 1 });
    expect(await ask({ to, host: 'web.example.com' })).toBe('web');
    expect(await ask({ to, host: 'nobody.example.org' })).toBe(503);
    const status = await plane.status(through([]));
    expect(conditionOf(status, 'ResolvedRefs')).toBe('False HostNotFound');
    expect(status?.conditions?.find(({ type }) => type === 'ResolvedRefs')?.message).toContain(
      `gate.example.com port ${gatePort}`,
    );

    const registryOnly = sidecar('default', { egress: [{ hosts: ['./*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
    await plane.apply('sidecar.yaml', [registryOnly], { affected: 1 });
    expect(await ask({ to, host: 'web.example.com' })).toBe('web');
    expect(await ask({ to, host: 'nobody.example.org' })).toBe(502);
    expect(await gate.requests()).toBe(1);
  });
});
