import { afterEach, describe, expect, it } from 'vitest';
import { type Call, makeCall } from '../env/client.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { sidecarUid } from '../env/interception.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, staticHost } from '../env/mesh-objects.ts';
import { canIntercept, createNetwork } from '../env/network.ts';
import { startProxy } from '../env/proxy.ts';
import { startRelay } from '../env/relay.ts';

const possible = (await canIntercept()).ok && (await findEnvoy()) !== undefined;
const { keep, release } = createKeeper();
afterEach(release);

/** Asks one name server, which need not be there: the sidecar answers in its place. */
const askServer = `const { Resolver } = require('node:dns').promises;
const [server, name, type] = process.argv.slice(1);
const resolver = new Resolver({ timeout: 2000, tries: 2 });
resolver.setServers([server]);
resolver.resolve(name, type).then((answer) => console.log(JSON.stringify(answer)));`;

describe.skipIf(!possible)('a proxy that answers DNS', () => {
  it('answers with the automatic addresses that the status tells, and takes TCP, TLS and sniffed traffic by them', async () => {
    const network = await keep(createNetwork());
    const { netns, ipv4, ipv6 } = network.world;
    const [plain, other, tls] = await Promise.all([
      keep(startEcho({ name: 'plain', protocol: 'tcp', listen: `${ipv4}:9000`, netns })),
      keep(startEcho({ name: 'other', protocol: 'tcp', listen: `[${ipv6}]:9000`, netns })),
      keep(startEcho({ name: 'tls', protocol: 'https', listen: `${ipv4}:8443`, netns })),
    ]);
    const plane = await keep(
      startControlPlane({
        files: {
          'automatic.yaml': [
            serviceEntry('wild', {
              ...staticHost('*.wild.example.com', { number: 9000, protocol: 'TCP' }, [{ address: ipv4, port: plain.port }]),
              addresses: ['203.0.113.77'],
            }),
            serviceEntry(
              'plain',
              staticHost('plain.example.com', { number: 9000, protocol: 'TCP' }, [{ address: ipv4, port: plain.port }]),
            ),
            serviceEntry(
              'other',
              staticHost('other.example.com', { number: 9000, protocol: '' }, [{ address: ipv6!, port: other.port }]),
            ),
            serviceEntry(
              'tls',
              staticHost('tls.example.com', { number: 443, protocol: 'TLS' }, [{ address: ipv4, port: tls.port }]),
            ),
          ],
        },
      }),
    );
    const relay = await keep(startRelay(plane.xds));
    const identity = { ips: [network.pod.ipv4, network.pod.ipv6!], metadata: { DNS_CAPTURE: 'true' } };
    const envoy = await keep(startProxy({ plane, through: relay.address, netns: network.pod.netns, uid: sidecarUid, identity }));
    await network.intercept({ dns: 'all' });
    // By the application's user: what the sidecar asks is let through.
    const resolve = async (name: string, type: 'A' | 'AAAA', server: string): Promise<unknown> => {
      const { stdout } = await network.pod.exec(process.execPath, ['-e', askServer, server, name, type]);
      return JSON.parse(stdout);
    };

    const addressesOf = async (name: string): Promise<string[]> => {
      const status = await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name }, { affected: 1 });
      expect(status.addresses?.map(({ host }) => host)).toEqual([`${name}.example.com`, `${name}.example.com`]);
      return status.addresses!.map(({ value }) => (value!.includes(':') ? `[${value}]` : value!));
    };
    const call = (options: Call) => makeCall({ timeoutMs: 5_000, ...options }, { netns: network.pod.netns });
    for (const name of ['plain', 'other']) {
      const addresses = await addressesOf(name);
      expect(addresses).toEqual([expect.stringMatching(/^2[45]\d\./), expect.stringMatching(/^\[2001:2:/)]);
      for (const [index, type] of (['A', 'AAAA'] as const).entries()) {
        for (const server of [ipv4, `[${ipv6}]`])
          expect([await resolve(`${name}.example.com`, type, server)].flat()).toEqual([addresses[index]!.replace(/[[\]]/g, '')]);
      }
      for (const address of addresses) {
        expect((await call({ to: `${address}:9000`, protocol: 'tcp' })).body, address).toBe(`${name}\nhello\n`);
      }
    }
    for (const address of await addressesOf('tls')) {
      expect((await call({ to: `${address}:443`, protocol: 'https', host: 'tls.example.com' })).echo?.name, address).toBe('tls');
    }
    expect(await resolve('any.wild.example.com', 'A', ipv4)).toEqual(['203.0.113.77']);
    // Over TCP a query comes to the name server that it is for.
    for (const host of [ipv4, `[${ipv6}]`]) {
      await keep(startEcho({ name: 'name server', protocol: 'tcp', listen: `${host}:53`, netns }));
      expect((await call({ to: `${host}:53`, protocol: 'tcp' })).body).toBe('name server\nhello\n');
    }
    expect(envoy.log()).toBe('');
  });
});
