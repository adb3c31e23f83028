import { afterEach, describe, expect, it } from 'vitest';
import type { ObjectStatus } from '../../src/status/render-status.ts';
import type { ProxyReport } from '../../src/xds/proxy-report.ts';
import { conditionOf, runWeft, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined)('the command line, beside a proxy', () => {
  it('tells how far objects have got, who is connected, and what they are given', async () => {
    const echo = await keep(startEcho());
    const port = await freePort();
    const api = serviceEntry(
      'shop/api',
      staticHost('api.example.com', { number: port, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: echo.port }]),
    );
    const plane = await keep(startControlPlane({ files: { 'api.yaml': [api] } }));
    await keep(startProxy({ plane, identity: { namespace: 'shop', pod: 'cart-1', interceptionMode: 'NONE' } }));
    await plane.waitReady(api, { affected: 1 });
    const weft = (...args: string[]) => runWeft([...args, '--address', plane.http]);

    const [ready, never, deleted, one, all, unknown, proxies, clusters, noProxy] = await Promise.all([
      weft('wait', '--for=ready', 'serviceentry/api', '-n', 'shop', '--timeout', '10s'),
      weft('wait', '--for=ready', 'se/nothing', '-n', 'shop', '--timeout', '100ms'),
      weft('wait', '--for=delete', 'se/nothing', '-n', 'shop'),
      weft('status', 'serviceentry/api', '-n', 'shop', '-o', 'json'),
      weft('status'),
      weft('status', 'se/nothing', '-n', 'shop'),
      weft('proxy-status', '-o', 'json'),
      weft('proxy-config', 'clusters', 'cart-1.shop', '-o', 'json'),
      weft('proxy-config', 'clusters', 'cart-2.shop'),
    ]);
    expect(ready).toMatchObject({ code: 0, stdout: 'serviceentry/api condition met' });
    expect(never).toMatchObject({ code: 1, stderr: expect.stringContaining('not known') });
    expect(deleted).toMatchObject({ code: 0, stdout: 'serviceentry/nothing deleted' });
    expect(one.code).toBe(0);
    const status = JSON.parse(one.stdout) as ObjectStatus;
    expect(conditionOf(status, 'Ready')).toBe('True Propagated');
    expect(status.propagation).toMatchObject({ affected: 1, acked: 1, summary: '1/1 acked' });
    expect(all.stdout.split('\n').map((line) => line.split(/ {3,}/).slice(0, 5))).toEqual([
      ['NAMESPACE', 'OBJECT', 'READY', 'REASON', 'PROXIES'],
      ['shop', 'serviceentry/api', 'True', 'Propagated', '1/1 acked'],
    ]);
    expect(unknown).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('ServiceEntry shop/nothing is not known'),
    });
    expect(
      (JSON.parse(proxies.stdout) as ProxyReport[]).map(({ proxy, transport, types }) => [
        proxy,
        transport,
        types.map(({ state }) => state),
      ]),
    ).toEqual([['shop/cart-1', 'delta', ['synced', 'synced', 'synced', 'synced', 'not subscribed']]]);
    expect((JSON.parse(clusters.stdout) as { name: string }[]).map(({ name }) => name).sort()).toEqual([
      'BlackHoleCluster',
      'PassthroughCluster',
      `outbound|${port}||api.example.com`,
    ]);
    expect(noProxy).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('cart-2') });

    const translated = await runWeft([
      'translate',
      plane.folder,
      '--proxy',
      'shop/cart-1',
      '--interception',
      'NONE',
      '-o',
      'json',
    ]);
    const given = await weft('proxy-config', 'all', 'cart-1.shop', '-o', 'json');
    const byName = (text: string) =>
      (JSON.parse(text) as { name?: string; clusterName?: string }[]).map((resource) => JSON.stringify(resource)).sort();
    expect(translated.code).toBe(0);
    expect(byName(translated.stdout)).toEqual(byName(given.stdout));
    expect(byName(given.stdout).length).toBeGreaterThan(4);

    await plane.write('bad.yaml', [
      serviceEntry('shop/bad', staticHost('bad.example.com', { number: 70_000, protocol: 'HTTP' }, [])),
    ]);
    const analysed = await runWeft(['analyze', plane.folder, '-o', 'json']);
    expect(analysed.code).toBe(1);
    expect(JSON.parse(analysed.stdout)).toMatchObject({
      diagnostics: [{ severity: 'error', file: `${plane.folder}/bad.yaml`, line: 10, column: 15, path: 'spec.ports[0].number' }],
    });
    const nobody = await runWeft(['status', '--address', `127.0.0.1:${await freePort()}`]);
    expect(nobody).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no control plane answers') });
  });
});
