import { afterEach, describe, expect, it } from 'vitest';
import type { ProxyIdentity } from '../env/bootstrap.ts';
import { makeCall } from '../env/client.ts';
import { ipv6Component } from '../env/components.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startDnsServer } from '../env/dns-server.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const ipv6 = (await ipv6Component()).present;
const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined || !ipv6)('names resolved by DNS', () => {
  it.each([
    { resolution: 'DNS', mode: 'delta' },
    { resolution: 'DNS_ROUND_ROBIN', mode: 'delta' },
    { resolution: 'DNS', mode: 'sotw' },
  ] as const)('$resolution follows the name to another address and family ($mode)', async ({ resolution, mode }) => {
    const dns = await keep(startDnsServer());
    const one = await keep(startEcho({ name: 'one' }));
    await keep(startEcho({ name: 'two', listen: `127.0.0.2:${one.port}` }));
    await keep(startEcho({ name: 'three', listen: `[::1]:${one.port}` }));
    await dns.set('named.example.com', { a: ['127.0.0.1'] });
    const port = await freePort();
    const plane = await keep(
      startControlPlane({
        files: {
          'named.yaml': [
            serviceEntry('named', {
              hosts: ['named.example.com'],
              ports: [{ number: port, name: 'http', protocol: 'HTTP', targetPort: one.port }],
              resolution,
            }),
          ],
        },
      }),
    );
    const identity: ProxyIdentity = { ips: ['127.0.0.1', '::1'], interceptionMode: 'NONE' };
    const envoy = await keep(startProxy({ plane, mode, identity, dns }));
    await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name: 'named' }, { affected: 1 });
    const answeredBy = async () => (await makeCall({ to: `127.0.0.1:${port}`, host: 'named.example.com' })).echo?.name;
    expect(await answeredBy()).toBe('one');
    await dns.set('named.example.com', { a: ['127.0.0.2'] });
    await eventually('the second address to answer', async () => (await answeredBy()) === 'two');
    await dns.set('named.example.com', { aaaa: ['::1'] });
    await eventually('the IPv6 address to answer', async () => (await answeredBy()) === 'three');
    // Envoy 1.40 calls the cluster's own DNS fields deprecated; it must have nothing else to say.
    expect(
      envoy
        .log()
        .split('\n')
        .filter((line) => !line.includes('Deprecated field')),
    ).toEqual([]);
  });

  it('DNS spreads requests over several names, and follows a name that the object lists anew', async () => {
    const dns = await keep(startDnsServer());
    const one = await keep(startEcho({ name: 'one' }));
    await keep(startEcho({ name: 'two', listen: `127.0.0.2:${one.port}` }));
    await keep(startEcho({ name: 'three', listen: `127.0.0.3:${one.port}` }));
    for (const [index, name] of ['one', 'two', 'three'].entries()) await dns.set(`${name}.test`, { a: [`127.0.0.${index + 1}`] });
    const port = await freePort();
    const named = (...names: string[]) => [
      serviceEntry('spread', {
        hosts: ['spread.example.com'],
        ports: [{ number: port, name: 'http', protocol: 'HTTP' }],
        resolution: 'DNS',
        endpoints: names.map((name) => ({ address: `${name}.test`, ports: { http: one.port } })),
      }),
    ];
    const plane = await keep(startControlPlane({ files: { 'spread.yaml': named('one', 'two') } }));
    await keep(startProxy({ plane, identity: { interceptionMode: 'NONE' }, dns }));
    await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name: 'spread' }, { affected: 1 });
    const seen = async () => {
      const calls = Array.from({ length: 20 }, () => makeCall({ to: `127.0.0.1:${port}`, host: 'spread.example.com' }));
      return [...new Set((await Promise.all(calls)).map(({ echo, status }) => echo?.name ?? status))].sort();
    };
    expect(await seen()).toEqual(['one', 'two']);
    await plane.apply('spread.yaml', named('two', 'three'));
    // The acknowledged cluster takes over as soon as its names are resolved.
    await eventually('the new name to answer', async () => (await seen()).join() === 'three,two');
  });
});
