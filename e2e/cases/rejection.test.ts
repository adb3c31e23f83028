import { afterEach, describe, expect, it } from 'vitest';
import type { ObjectStatus } from '../../src/status/render-status.ts';
import { makeCall, startLoad } from '../env/client.ts';
import { conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, sidecar, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

const identity = { interceptionMode: 'NONE' } as const;
const isRejected = (status: ObjectStatus) => conditionOf(status, 'Ready') === 'False ProxyRejected';
/** One byte longer than the kernel takes as the path of a unix socket. */
const tooLongPath = `/tmp/${'x'.repeat(104)}`;

describe.skipIf((await findEnvoy()) === undefined).each(['delta', 'sotw'] as const)('what Envoy refuses, %s', (mode) => {
  it('as a listener: an address that the machine does not have', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [good, bad] = [await freePort(), await freePort()];
    const at = [{ address: '127.0.0.1', port: echo.port }];
    const egress = (bind: string) =>
      sidecar('default', {
        egress: [
          { port: { number: good, name: 'good', protocol: 'HTTP' }, captureMode: 'NONE', hosts: ['*/*'] },
          { port: { number: bad, name: 'bad', protocol: 'HTTP' }, bind, captureMode: 'NONE', hosts: ['*/*'] },
        ],
      });
    const hosts = [
      serviceEntry('good', staticHost('good.example.com', { number: good, protocol: 'HTTP' }, at)),
      serviceEntry('bad', staticHost('bad.example.com', { number: bad, protocol: 'HTTP' }, at)),
    ];
    const plane = await keep(startControlPlane({ files: { 'hosts.yaml': hosts, 'sidecar.yaml': [egress('127.0.0.1')] } }));
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(egress('127.0.0.1'), { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${good}`, host: 'good.example.com' }));

    await plane.write('sidecar.yaml', [egress('203.0.113.1')]);
    const refused = await plane.waitForStatus('to be rejected', egress(''), isRejected);
    expect(refused.propagation).toMatchObject({ generation: 2, affected: 1, acked: 0, rejected: 1, pending: 0 });
    expect(refused.propagation?.rejections).toMatchObject([
      {
        typeUrl: 'type.googleapis.com/envoy.config.listener.v3.Listener',
        resource: `203.0.113.1_${bad}`,
        proxies: 1,
        exampleProxy: 'default/client-1',
        message: expect.stringMatching(/cannot bind '203\.0\.113\.1:\d+': Cannot assign requested address/),
      },
    ]);
    expect(conditionOf(refused, 'Stalled')).toBe('True ProxyRejected');
    expect(conditionOf(refused, 'Accepted')).toBe('True Accepted');
    expect(conditionOf(await plane.status(hosts[0]!), 'Ready')).toBe('True Propagated');
    expect((await plane.status(hosts[1]!))?.propagation?.rejections?.[0]?.message).toContain('Sidecar/default/default');

    await plane.apply('sidecar.yaml', [egress('127.0.0.2')], { affected: 1 });
    await plane.waitReady(hosts[1]!, { affected: 1 });
    expect((await makeCall({ to: `127.0.0.2:${bad}`, host: 'bad.example.com' })).echo?.name).toBe('echo');
    expect((await plane.status(egress('')))?.propagation?.rejections).toBeUndefined();
    expect((await load.stop()).failed).toBe(0);
  });

  it('as a cluster: a path that no unix socket can have', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [port, inbound] = [await freePort(), await freePort()];
    const host = serviceEntry(
      'good',
      staticHost('good.example.com', { number: port, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: echo.port }]),
    );
    const ingress = (defaultEndpoint: string) =>
      sidecar('default', {
        egress: [{ hosts: ['*/*'] }],
        ingress: [{ port: { number: inbound, name: 'http', protocol: 'HTTP' }, bind: '127.0.0.1', defaultEndpoint }],
      });
    const plane = await keep(startControlPlane({ files: { 'host.yaml': [host] } }));
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(host, { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${port}`, host: 'good.example.com' }));

    await plane.write('sidecar.yaml', [ingress(`unix://${tooLongPath}`)]);
    const refused = await plane.waitForStatus('to be rejected', ingress(''), isRejected);
    expect(refused.propagation?.rejections).toMatchObject([
      {
        typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
        resource: `inbound|${inbound}||`,
        message: expect.stringContaining(tooLongPath),
      },
    ]);
    expect(conditionOf(await plane.status(host), 'Ready')).toBe('True Propagated');

    await plane.apply('sidecar.yaml', [ingress(`127.0.0.1:${echo.port}`)], { affected: 1 });
    expect((await makeCall({ to: `127.0.0.1:${inbound}`, host: 'anything' })).echo?.name).toBe('echo');
    expect((await load.stop()).failed).toBe(0);
  });

  it('as endpoints: a path that no unix socket can have', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [good, bad] = [await freePort(), await freePort()];
    const host = (name: string, port: number, address: string) =>
      serviceEntry(
        name,
        staticHost(`${name}.example.com`, { number: port, protocol: 'HTTP' }, [
          { address, port: address.startsWith('unix') ? undefined : echo.port },
        ]),
      );
    const plane = await keep(
      startControlPlane({
        files: { 'good.yaml': [host('good', good, '127.0.0.1')], 'bad.yaml': [host('bad', bad, '127.0.0.1')] },
      }),
    );
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(host('bad', bad, ''), { affected: 1 });
    await plane.waitReady(host('good', good, ''), { affected: 1 });
    const loads = await Promise.all([
      keep(startLoad({ to: `127.0.0.1:${good}`, host: 'good.example.com' })),
      keep(startLoad({ to: `127.0.0.1:${bad}`, host: 'bad.example.com' })),
    ]);

    await plane.write('bad.yaml', [host('bad', bad, `unix://${tooLongPath}`)]);
    const refused = await plane.waitForStatus('to be rejected', host('bad', bad, ''), isRejected);
    expect(refused.propagation?.rejections).toMatchObject([
      {
        typeUrl: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
        resource: `outbound|${bad}||bad.example.com`,
        message: expect.stringContaining(tooLongPath),
      },
    ]);
    expect(conditionOf(await plane.status(host('good', good, '')), 'Ready')).toBe('True Propagated');
    const [proxy] = await plane.proxies();
    expect(proxy!.types.map(({ state }) => state)).toEqual(['synced', 'rejected', 'synced', 'synced', 'not subscribed']);

    await plane.apply('bad.yaml', [host('bad', bad, '127.0.0.1')], { affected: 1 });
    for (const load of loads) expect((await load.stop()).failed).toBe(0);
    expect((await plane.proxies())[0]!.types.map(({ state }) => state)).toEqual([
      'synced',
      'synced',
      'synced',
      'synced',
      'not subscribed',
    ]);
  });

  it('as endpoints of a cluster that is then sent anew: what is added later still gets through', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [bad, later] = [await freePort(), await freePort()];
    const refusedHost = (protocol: string) =>
      serviceEntry('bad', staticHost('bad.example.com', { number: bad, protocol }, [{ address: `unix://${tooLongPath}` }]));
    const plane = await keep(startControlPlane({ files: { 'bad.yaml': [refusedHost('HTTP')] } }));
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitForStatus('to be rejected', refusedHost('HTTP'), isRejected);

    await plane.write('bad.yaml', [refusedHost('HTTP2')]);
    await plane.waitForStatus(
      'to be rejected anew',
      refusedHost('HTTP2'),
      (status) => status.observedGeneration === 2 && isRejected(status),
    );
    const at = [{ address: '127.0.0.1', port: echo.port }];
    await plane.apply(
      'later.yaml',
      [serviceEntry('later', staticHost('later.example.com', { number: later, protocol: 'HTTP' }, at))],
      {
        affected: 1,
      },
    );
    expect((await makeCall({ to: `127.0.0.1:${later}`, host: 'later.example.com' })).echo?.name).toBe('echo');
  });
});
