import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { formatAddress } from './address.ts';
import { type BootstrapOptions, buildBootstrap } from './bootstrap.ts';
import { makeCall } from './client.ts';
import { ipv6Component } from './components.ts';
import { startDnsServer } from './dns-server.ts';
import { startEcho } from './echo-server.ts';
import { type Envoy, type StartEnvoyOptions, startEnvoy } from './envoy.ts';
import { findEnvoy } from './envoy-binary.ts';
import { eventually } from './eventually.ts';
import { endpointCluster, httpListener } from './static-config.ts';
import { isRunning } from './testing/is-running.ts';

const ipv6 = (await ipv6Component()).present;

const closers: (() => Promise<unknown>)[] = [];
const closing = <T extends { close(): Promise<unknown> }>(thing: T): T => {
  closers.push(() => thing.close());
  return thing;
};
const start = async (bootstrap: BootstrapOptions, options: Partial<StartEnvoyOptions> = {}): Promise<Envoy> => {
  const envoy = await startEnvoy({ bootstrap: buildBootstrap(bootstrap), ...options });
  closers.push(() => envoy.stop());
  return envoy;
};
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const anyV4 = { host: '127.0.0.1', port: 0 };
const anyV6 = { host: '::1', port: 0 };

describe.skipIf((await findEnvoy()) === undefined)('a real Envoy', () => {
  it.skipIf(!ipv6)('routes to an echo server over IPv4, IPv6 and a unix socket', async () => {
    const v4 = closing(await startEcho({ name: 'v4' }));
    const v6 = closing(await startEcho({ name: 'v6', listen: '[::1]:0' }));
    const unix = closing(await startEcho({ name: 'unix', listen: `unix:${tmpdir()}/weft-envoy-test-${process.pid}.sock` }));
    const envoy = await start({
      listeners: [
        httpListener('all', [anyV4, anyV6], 'all'),
        ...[v4, v6, unix].map(({ name }) => httpListener(name, [anyV4], name)),
      ],
      clusters: [
        endpointCluster('all', [v4.address, v6.address, unix.address]),
        ...[v4, v6, unix].map(({ name, address }) => endpointCluster(name, [address])),
      ],
    });
    await envoy.waitForReady();
    for (const name of ['v4', 'v6', 'unix']) {
      const [address] = await envoy.waitForListener(name);
      expect((await makeCall({ to: formatAddress(address!) })).echo?.name).toBe(name);
    }
    const addresses = await envoy.waitForListener('all');
    expect(addresses.map((address) => 'host' in address && address.host)).toEqual(['127.0.0.1', '::1']);
    for (const address of addresses) expect((await makeCall({ to: formatAddress(address) })).status).toBe(200);
    expect(await envoy.waitForStat('cluster.all.upstream_rq_200', (count) => count === 2)).toBe(2);
    expect(await envoy.stats('^cluster\\.v[46]\\.upstream_rq_200$')).toEqual({
      'cluster.v4.upstream_rq_200': 1,
      'cluster.v6.upstream_rq_200': 1,
    });
  });

  it('starts without a word of warning', async () => {
    const envoy = await start({});
    await envoy.waitForReady();
    expect(envoy.log()).toBe('');
  });

  it('tells its node and its clusters in the config dump', async () => {
    const identity = {
      pod: 'cart-7d9-x2',
      namespace: 'shop',
      ips: ['10.0.0.7', 'fd00::7'],
      labels: { app: 'cart' },
      workload: 'cart',
    };
    const envoy = await start({ identity, clusters: [endpointCluster('c', [anyV4])] });
    const { configs } = await envoy.configDump();
    expect(configs[0]).toMatchObject({
      bootstrap: {
        node: {
          id: 'sidecar~10.0.0.7~cart-7d9-x2.shop~shop.svc.cluster.local',
          cluster: 'cart.shop',
          metadata: { NAMESPACE: 'shop', INSTANCE_IPS: '10.0.0.7,fd00::7', LABELS: { app: 'cart' }, WORKLOAD_NAME: 'cart' },
        },
      },
    });
    expect((await envoy.configDump('static_clusters')).configs).toMatchObject([{ cluster: { name: 'c' } }]);
    await expect(envoy.admin('/no-such-page')).rejects.toThrow('answered /no-such-page with 404');
  });

  it.skipIf(!ipv6)("asks the test's own DNS server, for both families, and follows a change", async () => {
    const dns = closing(await startDnsServer());
    const one = closing(await startEcho({ name: 'one' }));
    const two = closing(await startEcho({ name: 'two', listen: `[::1]:${one.port}` }));
    await dns.set('api.example.com', { a: ['127.0.0.1'] });
    const envoy = await start({
      dns,
      listeners: [httpListener('l', [anyV4], 'api')],
      clusters: [endpointCluster('api', [{ host: 'api.example.com', port: two.port }], { refreshMs: 50 })],
    });
    await envoy.waitForReady();
    const [address] = await envoy.waitForListener('l');
    const answeredBy = async () => (await makeCall({ to: formatAddress(address!) })).echo?.name;
    expect(await answeredBy()).toBe('one');
    await dns.set('api.example.com', { aaaa: ['::1'] });
    await eventually('the other endpoint to answer', async () => (await answeredBy()) === 'two');
    await dns.delete('api.example.com');
    await eventually(
      'an answer without an endpoint',
      async () => (await makeCall({ to: formatAddress(address!) })).status === 503,
    );
    expect(await dns.queries('api.example.com')).toBeGreaterThanOrEqual(6);
    expect(await dns.queries()).toBe(await dns.queries('api.example.com'));
  });

  it('resolves nothing when it has no DNS server', async () => {
    const envoy = await start({
      clusters: [endpointCluster('api', [{ host: 'api.example.com', port: 80 }], { refreshMs: 5_000 })],
    });
    await envoy.waitForStat('cluster.api.update_failure', (count) => count >= 1);
    expect(await envoy.stats('^cluster\\.api\\.(update_success|membership_total)$')).toEqual({
      'cluster.api.membership_total': 0,
      'cluster.api.update_success': 0,
    });
  });

  it('is gone after stop, with its files', async () => {
    const before = new Set(readdirSync(tmpdir()));
    const envoy = await start({});
    expect(isRunning(envoy.pid)).toBe(true);
    const made = readdirSync(tmpdir()).filter((name) => name.startsWith('weft-envoy-') && !before.has(name));
    expect(made).toHaveLength(1);
    expect(await envoy.stop()).toEqual({ code: 0, signal: null });
    expect(isRunning(envoy.pid)).toBe(false);
    expect(existsSync(`${tmpdir()}/${made[0]}`)).toBe(false);
    await expect(envoy.admin('/ready')).rejects.toThrow('Envoy ended with exit code 0');
  });

  it('rejects with its reason when it refuses the bootstrap', async () => {
    const bootstrap = { ...buildBootstrap(), no_such_field: 1 };
    await expect(startEnvoy({ bootstrap })).rejects.toThrow(
      /in vain: Envoy ended with exit code 1:\n(.|\n)*'no_such_field'\) has unknown fields/,
    );
  });

  it('ends a wait at once when the process dies', async () => {
    const envoy = await start({});
    const waiting = envoy.waitForListener('never', { deadlineMs: 50_000 });
    process.kill(envoy.pid, 'SIGKILL');
    await expect(waiting).rejects.toThrow('Envoy ended with signal SIGKILL');
  });
});
