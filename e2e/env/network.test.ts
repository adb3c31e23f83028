import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatAddress } from './address.ts';
import { buildBootstrap } from './bootstrap.ts';
import { makeCall, startLoad } from './client.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';
import { type Echo, startEcho } from './echo-server.ts';
import { type Envoy, startEnvoy } from './envoy.ts';
import { findEnvoy } from './envoy-binary.ts';
import { sidecarPorts, sidecarUid } from './interception.ts';
import { canIntercept, createNetwork, type Network } from './network.ts';
import { startRelay } from './relay.ts';
import { endpointCluster, originalDstCluster, tcpListener } from './static-config.ts';
import { isRunning } from './testing/is-running.ts';

const namespaces = (): string => spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout;
const possible = (await canIntercept()).ok;

const world = { v4: '203.0.113.10', v6: '2001:db8::10' };

describe.skipIf(!possible || (await findEnvoy()) === undefined)('interception by a real Envoy', () => {
  let network: Network;
  let envoy: Envoy;
  let dns: DnsServer;
  const echoes: Echo[] = [];

  beforeAll(async () => {
    network = await createNetwork();
    for (const address of Object.values(world)) await network.addWorldAddress(address);
    const outside = network.world.netns;
    const inside = network.pod.netns;
    echoes.push(
      await startEcho({ name: 'world-v4', listen: `${world.v4}:80`, netns: outside }),
      await startEcho({ name: 'world-v6', listen: `[${world.v6}]:80`, netns: outside }),
      await startEcho({ name: 'world-tcp', protocol: 'tcp', listen: `[${world.v6}]:7`, netns: outside }),
      await startEcho({ name: 'app-v4', listen: '127.0.0.1:8080', netns: inside }),
      await startEcho({ name: 'app-v6', listen: '[::1]:8080', netns: inside }),
    );
    dns = await startDnsServer({ netns: inside });
    await dns.set('named.example.com', { a: [world.v4] });
    envoy = await startEnvoy({
      netns: inside,
      uid: sidecarUid,
      bootstrap: buildBootstrap({
        dns,
        listeners: [
          tcpListener('virtualOutbound', both(sidecarPorts.outbound), 'PassthroughCluster', { originalDst: true }),
          tcpListener('virtualInbound', both(sidecarPorts.inbound), 'app', { originalDst: true }),
          tcpListener('named', [{ host: '127.0.0.1', port: 9_000 }], 'named'),
        ],
        clusters: [
          originalDstCluster('PassthroughCluster'),
          endpointCluster('app', [echoes[3]!.address]),
          endpointCluster('named', [{ host: 'named.example.com', port: 80 }], { refreshMs: 1_000 }),
        ],
      }),
    });
    await network.intercept();
    await envoy.waitForReady();
  });
  afterAll(async () => {
    await envoy?.stop();
    await dns?.close();
    await Promise.all(echoes.map((echo) => echo.close()));
    await network?.close();
  });

  const both = (port: number) => [
    { host: '0.0.0.0', port },
    { host: '::', port },
  ];
  const fromPod = (to: string, protocol: 'http' | 'tcp' = 'http') => makeCall({ to, protocol }, { netns: network.pod.netns });
  const outboundConnections = async () =>
    (await envoy.stats('^tcp\\.virtualOutbound\\.downstream_cx_total$'))['tcp.virtualOutbound.downstream_cx_total'];

  it.each([
    ['IPv4', `${world.v4}:80`, 'world-v4', () => network.pod.ipv4],
    ['IPv6', `[${world.v6}]:80`, 'world-v6', () => network.pod.ipv6],
  ])('takes an outbound connection over %s and goes where it was bound for', async (_family, to, name, podAddress) => {
    const before = (await outboundConnections())!;
    expect((await fromPod(to)).echo).toMatchObject({ name, remoteAddress: podAddress() });
    expect(await outboundConnections()).toBe(before + 1);
  });

  it('takes TCP of any kind', async () => {
    expect((await fromPod(`[${world.v6}]:7`, 'tcp')).body).toBe('world-tcp\nhello\n');
  });

  it('leaves loopback alone, and what its own user does', async () => {
    const before = await outboundConnections();
    expect((await fromPod('127.0.0.1:8080')).echo?.name).toBe('app-v4');
    expect((await fromPod('[::1]:8080')).echo?.name).toBe('app-v6');
    expect(await outboundConnections()).toBe(before);
  });

  it('takes inbound connections over both families', async () => {
    const { netns } = network.world;
    const { ipv4, ipv6 } = network.pod;
    for (const to of [`${ipv4}:8080`, `[${ipv6}]:8080`]) {
      expect((await makeCall({ to }, { netns })).echo, to).toMatchObject({ name: 'app-v4', remoteAddress: '127.0.0.1' });
    }
    expect(await envoy.waitForStat('tcp.virtualInbound.downstream_cx_total', (count) => count === 2)).toBe(2);
  });

  it('resolves names with a DNS server in its namespace', async () => {
    expect((await fromPod('127.0.0.1:9000')).echo?.name).toBe('world-v4');
    expect(await dns.queries('named.example.com')).toBeGreaterThan(0);
  });

  it('fails at once for an address that nobody has: nothing leaves the two namespaces', async () => {
    expect((await fromPod('198.51.100.1:80')).error).toBe('ECONNRESET');
    expect(await envoy.stats('^cluster\\.PassthroughCluster\\.upstream_cx_connect_timeout$')).toEqual({
      'cluster.PassthroughCluster.upstream_cx_connect_timeout': 0,
    });
  });

  it('runs as the user that interception leaves alone', async () => {
    const { stdout } = await network.pod.exec('sh', ['-c', `grep Uid: /proc/${envoy.pid}/status`]);
    expect(stdout.trim().split(/\s+/)).toEqual(['Uid:', '1337', '1337', '1337', '1337']);
  });

  it('lets a load run inside, through the sidecar', async () => {
    const load = await startLoad({ to: `${world.v4}:80` }, { netns: network.pod.netns });
    await envoy.waitForStat('tcp.virtualOutbound.downstream_cx_total', (count) => count > 50);
    const { sent, failed, outcomes } = await load.stop();
    expect(failed).toBe(0);
    expect(outcomes).toEqual({ 'world-v4': sent });
  });
});

describe.skipIf(!possible)('a network of the test', () => {
  it('is gone after close, and so is what ran in it', async () => {
    const network = await createNetwork();
    expect(namespaces()).toContain(network.pod.netns);
    const echo = await startEcho({ netns: network.pod.netns });
    const pid = Number(spawnSync('ip', ['netns', 'pids', network.pod.netns], { encoding: 'utf8' }).stdout.trim());
    expect(pid).toBeGreaterThan(0);
    expect(isRunning(pid)).toBe(true);
    await echo.close();
    expect(isRunning(pid)).toBe(false);
    await network.close();
    await network.close();
    expect(namespaces()).not.toContain(network.pod.netns);
    expect(namespaces()).not.toContain(network.world.netns);
  });

  it('removes the namespaces of a test process that was killed, and of no other', async () => {
    const dead = spawnSync('true');
    const [stale, alive, foreign] = [`weft-${dead.pid}-1-pod`, `weft-${process.ppid}-9-pod`, 'weft-test-foreign'];
    for (const netns of [stale, alive, foreign]) spawnSync('ip', ['netns', 'add', netns]);
    try {
      const network = await createNetwork();
      await network.close();
      expect(namespaces()).not.toContain(stale);
      expect(namespaces()).toContain(alive);
      expect(namespaces()).toContain(foreign);
    } finally {
      for (const netns of [alive, foreign]) spawnSync('ip', ['netns', 'del', netns]);
    }
  });

  it('has IPv6 where the kernel has it, and two of them do not meet', async () => {
    const [one, two] = [await createNetwork(), await createNetwork()];
    const echo = await startEcho({ netns: one.world.netns, listen: `[${one.world.ipv6}]:80`, name: 'one' });
    expect((await makeCall({ to: formatAddress(echo.address) }, { netns: one.pod.netns })).echo?.name).toBe('one');
    expect((await makeCall({ to: formatAddress(echo.address) }, { netns: two.pod.netns })).error).toBe('ECONNREFUSED');
    await echo.close();
    await one.close();
    await two.close();
  });

  it('is reached from outside, and reaches outside, by a unix socket only', async () => {
    const network = await createNetwork();
    const echo = await startEcho({ name: 'host' });
    const relay = await startRelay(echo.address);
    expect((await makeCall({ to: formatAddress(relay.address) }, { netns: network.pod.netns })).echo?.name).toBe('host');
    expect((await makeCall({ to: formatAddress(echo.address) }, { netns: network.pod.netns })).error).toBe('ECONNREFUSED');
    await relay.close();
    await echo.close();
    await network.close();
  });

  it('says which command failed and what it printed', async () => {
    const network = await createNetwork();
    await expect(network.pod.exec('sh', ['-c', 'echo no luck >&2; exit 3'])).rejects.toThrow(/'ip netns exec .* failed: no luck/);
    expect(await network.pod.exec('sh', ['-c', 'exit 3'], { allowFailure: true })).toMatchObject({ code: 3 });
    expect(await network.pod.exec('cat', [], { input: 'text', uid: 65534 })).toMatchObject({ code: 0, stdout: 'text' });
    await network.close();
  });
});
