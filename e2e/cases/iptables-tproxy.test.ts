import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { proxyOwner } from '../../src/webhooks/iptables/capture-options.ts';
import { type CapturedPod, createCapturedPod, owners } from '../env/captured-pod.ts';
import { createKeeper } from '../env/keeper.ts';
import { canIntercept } from '../env/network.ts';

const possible = (await canIntercept()).ok;
const { application, root, rootSidecar } = owners;

// The sidecar is root here, so that a rule for its user would let every process of root pass.
describe.skipIf(!possible).each(['nft', 'legacy'] as const)('TPROXY by iptables-%s', (backend) => {
  const { keep, release } = createKeeper();
  let pod: CapturedPod;

  beforeAll(async () => {
    pod = await createCapturedPod(keep, { backend, mode: 'TPROXY' });
  });
  afterEach(() => pod.reset());
  afterAll(release);
  const options = { mode: 'TPROXY', ...proxyOwner('TPROXY', { runAsUser: 2000 }) } as const;
  const inside = () => pod.network.pod;
  const world = () => pod.network.world;

  it('gives the sidecar what comes in with its addresses, and lets it reach the application from the caller’s own', async () => {
    await pod.init(options);
    expect(await pod.call(world(), application, ['10.88.0.2:8080', '[fd88::2]:8080'])).toMatchObject([
      {
        name: 'inbound',
        local: ['10.88.0.2', 8080],
        peer: '10.88.0.1',
        application: { name: 'application', local: ['10.88.0.2', 8080], peer: '10.88.0.1' },
      },
      {
        name: 'inbound',
        local: ['fd88::2', 8080],
        peer: 'fd88::1',
        application: { name: 'application', local: ['fd88::2', 8080], peer: 'fd88::1' },
      },
    ]);
  });

  it('knows the sidecar by its group, and takes what other processes of root send', async () => {
    await pod.init(options);
    const direct = { '203.0.113.10:80': 'world', '[2001:db8::10]:80': 'world' };
    expect(await pod.reach(inside(), rootSidecar, Object.keys(direct))).toEqual(direct);
    const captured = { '203.0.113.10:80': 'outbound', '[2001:db8::10]:80': 'outbound' };
    expect(await pod.reach(inside(), root, Object.keys(captured))).toEqual(captured);
    expect(await pod.reach(inside(), application, Object.keys(captured))).toEqual(captured);
  });

  it('leaves the application’s calls to itself alone, and takes the sidecar’s to the pod', async () => {
    await pod.init(options);
    const own = { '10.88.0.2:8080': 'application', '[fd88::2]:8080': 'application', '127.0.0.1:8080': 'application' };
    expect(await pod.reach(inside(), application, Object.keys(own))).toEqual(own);
    const byPod = { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound', '127.0.0.1:8080': 'application' };
    expect(await pod.reach(inside(), rootSidecar, Object.keys(byPod))).toEqual(byPod);
    const fromSource = { '10.88.0.2:8080 from 127.0.0.6': 'application', '[fd88::2]:8080 from ::6': 'application' };
    expect(await pod.reach(inside(), rootSidecar, Object.keys(fromSource))).toEqual(fromSource);
  });

  it('leaves excluded ports and interfaces alone', async () => {
    await pod.init({ ...options, excludeInboundPorts: [22], excludeInterfaces: ['eth1'], statusPort: 0 });
    const first = { '10.88.0.2:22': 'application', '[fd88::2]:15021': 'application', '10.88.0.2:15020': 'inbound' };
    expect(await pod.reach(world(), application, Object.keys(first))).toEqual(first);
    const second = { '10.89.0.2:8080': 'application', '[fd89::2]:8080': 'application', '10.88.0.2:8080': 'inbound' };
    expect(await pod.reach(world(), application, Object.keys(second))).toEqual(second);
  });

  it('takes only the inbound ports of a list, or none', async () => {
    await pod.init({ ...options, includeInboundPorts: [8080] });
    const listed = { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound', '10.88.0.2:9090': 'application' };
    expect(await pod.reach(world(), application, Object.keys(listed))).toEqual(listed);
    await pod.reset();
    await pod.init({ ...options, includeInboundPorts: [] });
    const none = { '10.88.0.2:8080': 'application', '[fd88::2]:8080': 'application' };
    expect(await pod.reach(world(), application, Object.keys(none))).toEqual(none);
  });

  it('has one rule and one route for each family, however often it runs', async () => {
    await pod.init(options);
    const routes = async () => {
      const shown = [];
      for (const family of ['-4', '-6'] as const) {
        shown.push((await inside().exec('ip', [family, 'rule', 'show', 'fwmark', '1337'])).stdout.trim().replaceAll(/\s+/g, ' '));
        shown.push((await inside().exec('ip', [family, 'route', 'show', 'table', '133'])).stdout.trim().replaceAll(/\s+/g, ' '));
      }
      return shown;
    };
    const before = [await routes(), await pod.save()];
    expect(before[0]).toEqual([
      expect.stringMatching(/^\d+: from all fwmark 0x539 lookup 133$/),
      expect.stringMatching(/^local default dev lo\b[^\n]*$/),
      expect.stringMatching(/^\d+: from all fwmark 0x539 lookup 133$/),
      expect.stringMatching(/^local default dev lo\b[^\n]*$/),
    ]);
    await pod.init(options);
    expect([await routes(), await pod.save()]).toEqual(before);
  });
});
