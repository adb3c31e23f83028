import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCall } from '../env/client.ts';
import { type ControlPlane, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import type { Envoy } from '../env/envoy.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { sidecarUid } from '../env/interception.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, sidecar } from '../env/mesh-objects.ts';
import { canIntercept, createNetwork, type Network } from '../env/network.ts';
import { startProxy } from '../env/proxy.ts';
import { startRelay } from '../env/relay.ts';

const possible = (await canIntercept()).ok && (await findEnvoy()) !== undefined;

describe.skipIf(!possible).each(['delta', 'sotw'] as const)('inbound interception, %s', (mode) => {
  const { keep, release } = createKeeper();
  let network: Network;
  let plane: ControlPlane;
  let envoy: Envoy;

  beforeAll(async () => {
    network = await keep(createNetwork());
    const { netns, ipv4, ipv6 } = network.pod;
    await Promise.all([
      keep(startEcho({ name: 'app-v4', listen: `${ipv4}:8080`, netns })),
      keep(startEcho({ name: 'app-v6', listen: `[${ipv6}]:8080`, netns })),
      keep(startEcho({ name: 'app-tcp', protocol: 'tcp', listen: `${ipv4}:9000`, netns })),
      keep(startEcho({ name: 'app-undeclared', listen: `${ipv4}:8081`, netns })),
      keep(startEcho({ name: 'app-sniffed', listen: `${ipv4}:8082`, netns })),
      keep(startEcho({ name: 'app-loopback', listen: '127.0.0.1:8090', netns })),
    ]);
    plane = await keep(
      startControlPlane({
        files: {
          'app.yaml': [
            serviceEntry('app', {
              hosts: ['app.mesh.example.com'],
              location: 'MESH_INTERNAL',
              resolution: 'STATIC',
              ports: [
                { number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 },
                { number: 9000, name: 'tcp', protocol: 'TCP' },
                { number: 8082, name: 'any', protocol: '' },
              ],
              endpoints: [{ address: ipv4 }, { address: ipv6! }],
            }),
          ],
        },
      }),
    );
    const relay = await keep(startRelay(plane.xds));
    envoy = await keep(
      startProxy({ plane, mode, through: relay.address, netns, uid: sidecarUid, identity: { ips: [ipv4, ipv6!] } }),
    );
    await network.intercept();
    await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name: 'app' }, { affected: 1 });
  });
  afterAll(release);

  const fromWorld = async (port: number, protocol: 'http' | 'tcp' = 'http', host = network.pod.ipv4) => {
    const answer = await makeCall({ to: `${host}:${port}`, protocol, timeoutMs: 5_000 }, { netns: network.world.netns });
    return answer.echo?.name ?? (answer.status || answer.body.split('\n')[0] || answer.error);
  };
  const requests = async (port: number) =>
    (await envoy.stats(`^http\\.inbound_0\\.0\\.0\\.0_${port}\\.downstream_rq_total$`))[
      `http.inbound_0.0.0.0_${port}.downstream_rq_total`
    ];

  it('brings HTTP to the workload at its own port, over both families', async () => {
    expect(await fromWorld(8080)).toBe('app-v4');
    expect(await fromWorld(8080, 'http', `[${network.pod.ipv6}]`)).toBe('app-v6');
    expect(await requests(8080)).toBe(2);
  });

  it('brings TCP to the workload', async () => {
    expect(await fromWorld(9000, 'tcp')).toBe('app-tcp');
    expect(await envoy.waitForStat('cluster.inbound|9000||.upstream_cx_total', (count) => count === 1)).toBe(1);
  });

  it('tells HTTP where a port does not say', async () => {
    expect(await fromWorld(8082)).toBe('app-sniffed');
    expect(await requests(8082)).toBe(1);
  });

  it('brings what no service declares as it comes', async () => {
    expect(await fromWorld(8081)).toBe('app-undeclared');
    expect(await envoy.waitForStat('cluster.InboundPassthroughCluster.upstream_cx_total', (count) => count === 1)).toBe(1);
  });

  it('follows a Sidecar ingress to its default endpoint, and back', async () => {
    await plane.apply(
      'ingress.yaml',
      [
        sidecar('ingress', {
          ingress: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, defaultEndpoint: '127.0.0.1:8090' }],
        }),
      ],
      { affected: 1 },
    );
    expect(await fromWorld(8080)).toBe('app-loopback');
    expect(await fromWorld(8080, 'http', `[${network.pod.ipv6}]`)).toBe('app-loopback');
    await plane.remove('ingress.yaml');
    await eventually('the workload at its own port again', async () => (await fromWorld(8080)) === 'app-v4');
  });

  it('has nothing to complain of', () => expect(envoy.log()).toBe(''));
});
