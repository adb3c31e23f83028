import { afterEach, describe, expect, it } from 'vitest';
import { makeCall } from '../env/client.ts';
import { ipv6Component } from '../env/components.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, sidecar, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const ipv6 = (await ipv6Component()).present;
const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined).each(['delta', 'sotw'] as const)('HTTP by name, %s', (mode) => {
  const proxies = [
    { families: 'IPv4', ips: ['10.0.0.1'], loopback: ['127.0.0.1'], endpoint: '127.0.0.1' },
    { families: 'IPv6', ips: ['fd00::1'], loopback: ['[::1]'], endpoint: '::1' },
    { families: 'both families', ips: ['10.0.0.1', 'fd00::1'], loopback: ['127.0.0.1', '[::1]'], endpoint: '::1' },
  ];
  for (const { families, ips, loopback, endpoint } of proxies)
    it.skipIf(!ipv6 && endpoint === '::1')(`reaches each host of a port by its name, over ${families}`, async () => {
      const listen = endpoint === '::1' ? '[::1]:0' : '127.0.0.1:0';
      const api = await keep(startEcho({ name: 'api', listen }));
      const web = await keep(startEcho({ name: 'web', listen }));
      const port = await freePort();
      const http = { number: port, protocol: 'HTTP' };
      const plane = await keep(
        startControlPlane({
          files: {
            'hosts.yaml': [
              serviceEntry('api', staticHost('api.example.com', http, [{ address: endpoint, port: api.port }])),
              serviceEntry('web', staticHost('*.web.example.com', http, [{ address: endpoint, port: web.port }])),
              serviceEntry('mesh', staticHost('cart.shop.svc.cluster.local', http, [{ address: endpoint, port: web.port }])),
            ],
            'sidecar.yaml': [
              sidecar('default', { egress: [{ port: { ...http, name: 'out' }, captureMode: 'NONE', hosts: ['*/*'] }] }),
            ],
          },
        }),
      );
      const envoy = await keep(startProxy({ plane, mode, identity: { namespace: 'default', ips } }));
      for (const name of ['api', 'web', 'mesh'])
        await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name }, { affected: 1 });

      for (const host of loopback) {
        const ask = async (name: string) => {
          const { status, echo } = await makeCall({ to: `${host}:${port}`, host: name });
          return echo?.name ?? status;
        };
        expect(await ask('api.example.com')).toBe('api');
        expect(await ask(`api.example.com:${port}`)).toBe('api');
        expect(await ask('API.Example.com.')).toBe('api');
        expect(await ask('a.web.example.com')).toBe('web');
        expect(await ask('a.b.web.example.com')).toBe('web');
        expect(await ask('cart.shop')).toBe('web');
        expect(await ask('cart.shop.svc')).toBe('web');
        expect(await ask('cart')).toBe(502);
        expect(await ask('web.example.com')).toBe(502);
        expect(await ask('unknown.example.com')).toBe(502);
      }
      expect(envoy.log()).toBe('');
    });
});
