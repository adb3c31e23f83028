import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Call, type CallAnswer, makeCall } from '../env/client.ts';
import { type ControlPlane, startControlPlane } from '../env/control-plane.ts';
import { type Echo, startEcho } from '../env/echo-server.ts';
import type { Envoy } from '../env/envoy.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { sidecarUid } from '../env/interception.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, sidecar, staticHost } from '../env/mesh-objects.ts';
import { canIntercept, createNetwork, type Network } from '../env/network.ts';
import { startProxy } from '../env/proxy.ts';
import { startRelay } from '../env/relay.ts';

/** How a connection ends that the black hole takes: closed, or reset where bytes were on their way. */
const refused = /^(closed|ECONNRESET)$/;

const possible = (await canIntercept()).ok && (await findEnvoy()) !== undefined;

/** Addresses that the world has; the services' own addresses below are nobody's: only a proxy that translates them gets through. */
const world = { v4: '203.0.113.10', v6: '2001:db8::10' };
const bound = { v4: '203.0.113.99', v6: '2001:db8::99' };

describe.skipIf(!possible).each(['delta', 'sotw'] as const)('outbound interception, %s', (mode) => {
  const { keep, defer, release } = createKeeper();
  let network: Network;
  let plane: ControlPlane;
  let envoy: Envoy;
  const echoes: Record<string, Echo> = {};

  beforeAll(async () => {
    network = await keep(createNetwork());
    for (const address of [...Object.values(world), '203.0.113.70', '203.0.113.90']) await network.addWorldAddress(address);
    const netns = network.world.netns;
    const start = async (name: string, protocol: Echo['protocol'], listen: string) => {
      echoes[name] = await keep(startEcho({ name, protocol, listen, netns }));
    };
    await Promise.all([
      start('v4', 'http', `${world.v4}:8080`),
      start('v6', 'http', `[${world.v6}]:8080`),
      start('tcp-v4', 'tcp', `${world.v4}:9000`),
      start('tcp-v6', 'tcp', `[${world.v6}]:9000`),
      start('tls', 'https', `${world.v4}:8443`),
      start('tls-wild', 'https', `[${world.v6}]:8443`),
      start('stranger', 'http', '203.0.113.90:80'),
      start('stranger-tcp', 'tcp', '203.0.113.90:9009'),
      start('own-http', 'http', '203.0.113.70:80'),
      start('own-tcp', 'tcp', '203.0.113.70:7100'),
    ]);
    plane = await keep(
      startControlPlane({
        files: {
          'http.yaml': [
            serviceEntry(
              'api-v4',
              staticHost('v4.example.com', { number: 80, protocol: 'HTTP' }, [{ address: world.v4, port: 8080 }]),
            ),
            serviceEntry(
              'api-v6',
              staticHost('v6.example.com', { number: 80, protocol: 'HTTP' }, [{ address: world.v6, port: 8080 }]),
            ),
          ],
          'tcp.yaml': [
            serviceEntry('tcp-by-address', {
              ...staticHost('tcp.example.com', { number: 9000, protocol: 'TCP' }, [{ address: world.v4 }]),
              addresses: ['203.0.113.50', '2001:db8::50'],
            }),
            serviceEntry('tcp-by-range', {
              ...staticHost('range.example.com', { number: 9000, protocol: 'TCP' }, [{ address: world.v6 }]),
              addresses: ['198.51.100.0/24', '2001:db8:1::/48'],
            }),
          ],
          'tls.yaml': [
            serviceEntry(
              'tls',
              staticHost('secure.example.com', { number: 443, protocol: 'TLS' }, [{ address: world.v4, port: 8443 }]),
            ),
            serviceEntry(
              'tls-wild',
              staticHost('*.wild.example.com', { number: 443, protocol: 'HTTPS' }, [{ address: world.v6, port: 8443 }]),
            ),
          ],
          'sniffed.yaml': [
            serviceEntry('sniffed-http', {
              ...staticHost('sniffed-http.example.com', { number: 7000, protocol: '' }, [{ address: world.v4, port: 8080 }]),
              addresses: ['203.0.113.60'],
            }),
            serviceEntry('sniffed-tcp', {
              ...staticHost('sniffed-tcp.example.com', { number: 7000, protocol: '' }, [{ address: world.v4, port: 9000 }]),
              addresses: ['203.0.113.61'],
            }),
            serviceEntry(
              'sniffed-anywhere',
              staticHost('anywhere.example.com', { number: 7001, protocol: '' }, [{ address: world.v4, port: 9000 }]),
            ),
            serviceEntry(
              'sniffed-by-name',
              staticHost('by-name.example.com', { number: 7001, protocol: '' }, [{ address: world.v6, port: 8080 }]),
            ),
          ],
          'as-bound.yaml': [
            serviceEntry('as-bound-tcp', {
              hosts: ['as-bound.example.com'],
              addresses: ['203.0.113.70'],
              ports: [{ number: 7100, name: 'tcp', protocol: 'TCP' }],
              resolution: 'NONE',
            }),
            serviceEntry('as-bound-http', {
              hosts: ['as-bound-http.example.com'],
              ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
              resolution: 'NONE',
            }),
          ],
        },
      }),
    );
    const relay = await keep(startRelay(plane.xds));
    const { ipv4, ipv6 } = network.pod;
    envoy = await keep(
      startProxy({
        plane,
        mode,
        through: relay.address,
        netns: network.pod.netns,
        uid: sidecarUid,
        identity: { ips: ipv6 ? [ipv4, ipv6] : [ipv4] },
      }),
    );
    await network.intercept();
    for (const line of ['api-v4', 'tls-wild', 'sniffed-by-name', 'as-bound-http'])
      await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name: line }, { affected: 1 });
  });
  afterAll(release);
  afterEach(() => expect(envoy.log()).toBe(''));

  const fromPod = (call: Call): Promise<CallAnswer> => makeCall({ timeoutMs: 5_000, ...call }, { netns: network.pod.netns });
  const nameOf = ({ echo, status, error, body }: CallAnswer) => echo?.name ?? (status || body.split('\n')[0] || error);
  const http = async (to: string, host: string) => nameOf(await fromPod({ to, host }));
  const tcp = async (to: string) => nameOf(await fromPod({ to, protocol: 'tcp' }));

  it('routes HTTP by name, whatever address it was bound for', async () => {
    expect(await http(`${bound.v4}:80`, 'v4.example.com')).toBe('v4');
    expect(await http(`[${bound.v6}]:80`, 'v4.example.com')).toBe('v4');
    expect(await http(`${bound.v4}:80`, 'v6.example.com')).toBe('v6');
    expect(await http(`[${bound.v6}]:80`, 'v6.example.com:80')).toBe('v6');
  });

  it('takes TCP by address, of either family', async () => {
    expect(await tcp('203.0.113.50:9000')).toBe('tcp-v4');
    expect(await tcp('[2001:db8::50]:9000')).toBe('tcp-v4');
  });

  it('takes TCP by address range, of either family, and nothing beyond it', async () => {
    expect(await tcp('198.51.100.7:9000')).toBe('tcp-v6');
    expect(await tcp('[2001:db8:1:2::3]:9000')).toBe('tcp-v6');
    expect(await tcp('198.51.101.7:9000')).toMatch(refused);
  });

  it('takes TLS by server name, also below a wildcard', async () => {
    const tls = async (host: string, to = `${bound.v4}:443`) => {
      const { echo, error } = await fromPod({ to, host, protocol: 'https' });
      return echo ? [echo.name, echo.servername] : error;
    };
    expect(await tls('secure.example.com')).toEqual(['tls', 'secure.example.com']);
    expect(await tls('secure.example.com', `[${bound.v6}]:443`)).toEqual(['tls', 'secure.example.com']);
    expect(await tls('a.wild.example.com')).toEqual(['tls-wild', 'a.wild.example.com']);
    expect(await tls('a.b.wild.example.com')).toEqual(['tls-wild', 'a.b.wild.example.com']);
    expect(await tls('other.example.com')).toBe('ECONNRESET');
  });

  it('tells HTTP from TCP where a port does not say', async () => {
    expect(await http('203.0.113.60:7000', 'sniffed-http.example.com')).toBe('v4');
    expect(await tcp('203.0.113.61:7000')).toBe('tcp-v4');
    expect(await envoy.waitForStat('http.outbound_203.0.113.60_7000.downstream_rq_total', (count) => count === 1)).toBe(1);
    expect(await envoy.waitForStat('http.outbound_203.0.113.61_7000.downstream_rq_total', (count) => count === 0)).toBe(0);
  });

  it('takes both HTTP and TCP on one sniffed port of any address', async () => {
    expect(await http(`${bound.v4}:7001`, 'by-name.example.com')).toBe('v6');
    expect(await http(`[${bound.v6}]:7001`, 'by-name.example.com')).toBe('v6');
    expect(await tcp(`${bound.v4}:7001`)).toBe('tcp-v4');
    expect(await tcp(`[${bound.v6}]:7001`)).toBe('tcp-v4');
  });

  it('leaves a service without resolution where it was bound for', async () => {
    expect(await tcp('203.0.113.70:7100')).toBe('own-tcp');
    expect(await http('203.0.113.70:80', 'as-bound-http.example.com')).toBe('own-http');
    expect(await envoy.waitForStat('cluster.outbound|7100||as-bound.example.com.upstream_cx_total', (count) => count === 1)).toBe(
      1,
    );
    expect(
      await envoy.waitForStat('cluster.outbound|80||as-bound-http.example.com.upstream_rq_200', (count) => count === 1),
    ).toBe(1);
  });

  it('lets strangers pass by default, and keeps them out when only the registry is allowed', async () => {
    expect(await http('203.0.113.90:80', 'stranger.example.com')).toBe('stranger');
    expect(await tcp('203.0.113.90:9009')).toBe('stranger-tcp');

    defer(() => plane.remove('registry-only.yaml').catch(() => {}));
    await plane.apply('registry-only.yaml', [sidecar('default', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } })], {
      affected: 1,
    });
    expect(await http('203.0.113.90:80', 'stranger.example.com')).toBe(502);
    expect(await tcp('203.0.113.90:9009')).toMatch(refused);
    expect(await http(`${bound.v4}:80`, 'v4.example.com')).toBe('v4');
    expect(await tcp('203.0.113.50:9000')).toBe('tcp-v4');

    await plane.remove('registry-only.yaml');
    await eventually(
      'strangers to pass again',
      async () => (await http('203.0.113.90:80', 'stranger.example.com')) === 'stranger',
    );
    expect(await tcp('203.0.113.90:9009')).toBe('stranger-tcp');
  });
});
