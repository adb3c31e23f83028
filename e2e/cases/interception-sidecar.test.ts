import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type Call, makeCall } from '../env/client.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { sidecarUid } from '../env/interception.ts';
import { createKeeper } from '../env/keeper.ts';
import { type MeshObject, serviceEntry, sidecar, staticHost } from '../env/mesh-objects.ts';
import { canIntercept, createNetwork } from '../env/network.ts';
import { startProxy } from '../env/proxy.ts';
import { startRelay } from '../env/relay.ts';

const possible = (await canIntercept()).ok && (await findEnvoy()) !== undefined;
const { keep, release } = createKeeper();
afterEach(release);

const tlsFile = (name: string) => fileURLToPath(new URL(`../testdata/tls/${name}`, import.meta.url));

describe.skipIf(!possible)('a Sidecar in a pod of two families', () => {
  const startPod = async (
    makeObjects: (at: { ipv4: string; ipv6: string }) => MeshObject[],
    interceptionMode: 'REDIRECT' | 'NONE',
  ) => {
    const network = await keep(createNetwork());
    const { netns, ipv4, ipv6 } = network.pod;
    const objects = makeObjects({ ipv4, ipv6: ipv6! });
    const plane = await keep(startControlPlane({ files: { 'objects.yaml': objects } }));
    const relay = await keep(startRelay(plane.xds));
    const identity = { ips: [ipv4, ipv6!], interceptionMode };
    const envoy = await keep(startProxy({ plane, through: relay.address, netns, uid: sidecarUid, identity }));
    if (interceptionMode === 'REDIRECT') await network.intercept();
    const object = objects.find(({ kind }) => kind === 'Sidecar')!;
    await plane.waitReady(object, { affected: 1 });
    const ask = async (from: 'pod' | 'world', call: Call) => {
      const answer = await makeCall({ timeoutMs: 5000, ...call }, { netns: network[from].netns });
      return answer.echo?.name ?? (answer.status || answer.body.split('\n')[0] || answer.error);
    };
    return { network, plane, envoy, object, ask };
  };

  it('ends TLS at the intercepted port; plain text does not pass to the workload', async () => {
    const { network, ask } = await startPod(
      () => [
        sidecar('default', {
          ingress: [
            {
              port: { number: 8443, name: 'https', protocol: 'HTTPS' },
              defaultEndpoint: '0.0.0.0:8443',
              tls: { mode: 'SIMPLE', serverCertificate: tlsFile('echo.crt'), privateKey: tlsFile('echo.key') },
            },
            { port: { number: 8080, name: 'http', protocol: 'HTTP' }, defaultEndpoint: '127.0.0.1:8090' },
          ],
        }),
      ],
      'REDIRECT',
    );
    const { netns, ipv4, ipv6 } = network.pod;
    const app = await keep(startEcho({ name: 'app', listen: `${ipv4}:8443`, netns }));
    await keep(startEcho({ name: 'plain', listen: '127.0.0.1:8090', netns }));
    for (const host of [ipv4, `[${ipv6}]`]) {
      expect(await ask('world', { protocol: 'https', to: `${host}:8443`, host: 'app.example.com' })).toBe('app');
      expect(await ask('world', { to: `${host}:8080` })).toBe('plain');
      expect(await ask('world', { to: `${host}:8443` })).toMatch(/ECONNRESET|socket hang up|Parse/);
    }
    expect(await app.requests()).toBe(2);
  });

  it('sends connections that no service claims to the egress proxy', async () => {
    const gateAt = '203.0.113.20';
    const { network, plane, ask } = await startPod(
      () => [
        serviceEntry('gate', staticHost('gate.example.com', { number: 3128, protocol: 'TCP' }, [{ address: gateAt }])),
        serviceEntry('web', staticHost('web.example.com', { number: 80, protocol: 'HTTP' }, [{ address: gateAt, port: 8080 }])),
        sidecar('default', {
          egress: [{ hosts: ['*/*'] }],
          outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'gate.example.com', port: { number: 3128 } } },
        }),
      ],
      'REDIRECT',
    );
    await network.addWorldAddress(gateAt);
    await network.addWorldAddress('203.0.113.30');
    const { netns } = network.world;
    const gate = await keep(startEcho({ name: 'gate', listen: `${gateAt}:3128`, netns }));
    await keep(startEcho({ name: 'web', listen: `${gateAt}:8080`, netns }));
    await keep(startEcho({ name: 'stranger', listen: '203.0.113.30:9090', netns }));
    expect(await ask('pod', { to: '203.0.113.40:80', host: 'web.example.com' })).toBe('web');
    expect(await ask('pod', { to: '203.0.113.40:80', host: 'nobody.example.org' })).toBe('gate');
    expect(await ask('pod', { to: '203.0.113.30:9090', host: 'stranger' })).toBe('gate');
    expect(await ask('pod', { to: '[2001:db8::30]:9090', host: 'stranger' })).toBe('gate');
    expect(await gate.requests()).toBe(3);

    const registryOnly = sidecar('default', { egress: [{ hosts: ['*/*'] }], outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
    await plane.write('objects.yaml', [
      serviceEntry('web', staticHost('web.example.com', { number: 80, protocol: 'HTTP' }, [{ address: gateAt, port: 8080 }])),
      registryOnly,
    ]);
    await plane.waitForStatus(
      'to be propagated',
      registryOnly,
      (status) => status.propagation?.summary === '1/1 acked' && status.observedGeneration === 2,
    );
    expect(await ask('pod', { to: '203.0.113.40:80', host: 'web.example.com' })).toBe('web');
    expect(await ask('pod', { to: '203.0.113.40:80', host: 'nobody.example.org' })).toBe(502);
    expect(await ask('pod', { to: '203.0.113.30:9090', host: 'stranger' })).toMatch(/ECONNRESET|socket hang up/);
    expect(await gate.requests()).toBe(3);
  });

  it('listens on the addresses of the workload, which has the same port on loopback', async () => {
    const { network, ask } = await startPod(
      () => [
        sidecar('default', {
          ingress: [
            { port: { number: 8080, name: 'same', protocol: 'HTTP' }, defaultEndpoint: '127.0.0.1:8080' },
            { port: { number: 8081, name: 'other', protocol: 'HTTP' }, defaultEndpoint: '[::]:9081' },
          ],
        }),
      ],
      'NONE',
    );
    const { netns, ipv4, ipv6 } = network.pod;
    await keep(startEcho({ name: 'same', listen: '127.0.0.1:8080', netns }));
    await keep(startEcho({ name: 'other', listen: `[${ipv6}]:9081`, netns }));
    for (const host of [ipv4, `[${ipv6}]`]) {
      expect(await ask('world', { to: `${host}:8080` })).toBe('same');
      expect(await ask('world', { to: `${host}:8081` })).toBe('other');
    }
  });
});
