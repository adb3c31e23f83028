import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CaptureOptions } from '../../src/webhooks/iptables/capture-options.ts';
import { type CapturedPod, createCapturedPod, owners } from '../env/captured-pod.ts';
import { createKeeper } from '../env/keeper.ts';
import { canIntercept } from '../env/network.ts';
import type { Owner } from '../env/traffic.ts';

const possible = (await canIntercept()).ok;
const { application, sidecar, sidecarGroup } = owners;

/** What is tried with some options: who calls, and who gets each call. */
interface Case {
  readonly name: string;
  readonly options: Partial<CaptureOptions>;
  readonly resolvConf?: string;
  readonly calls: readonly (readonly ['world' | 'pod', Owner, Record<string, string>])[];
}

const cases: readonly Case[] = [
  {
    name: 'takes everything of both directions, but what is the sidecar’s own',
    options: {},
    calls: [
      ['pod', application, { '203.0.113.10:80': 'outbound', '[2001:db8::10]:80': 'outbound', 'udp 10.88.0.1:53': 'world' }],
      ['pod', application, { '10.88.0.2:8080': 'application', '[fd88::2]:8080': 'application' }],
      ['pod', application, { '127.0.0.1:8080': 'application', '[::1]:8080': 'application' }],
      ['pod', sidecar, { '203.0.113.10:80': 'world', '[2001:db8::10]:80': 'world' }],
      ['pod', sidecar, { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound' }],
      ['pod', sidecar, { '10.88.0.2:15008': 'application', '[fd88::2]:15008': 'application' }],
      ['pod', sidecar, { '127.0.0.1:8080': 'application', '[::1]:8080': 'application' }],
      ['pod', sidecar, { '10.88.0.2:8080 from 127.0.0.6': 'application', '[fd88::2]:8080 from ::6': 'application' }],
      ['pod', sidecarGroup, { '203.0.113.10:80': 'world', '[2001:db8::10]:80': 'world', '10.88.0.2:8080': 'application' }],
      ['world', application, { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound', '10.88.0.2:22': 'inbound' }],
      ['world', application, { '10.88.0.2:15020': 'application', '10.88.0.2:15021': 'application' }],
      ['world', application, { '[fd88::2]:15090': 'application', '[fd88::2]:15008': 'application' }],
    ],
  },
  {
    name: 'knows the sidecar by the user that the pod gives it',
    options: { proxyUids: [2000], proxyGids: [2000] },
    calls: [
      ['pod', { uid: 2000, gid: 2000 }, { '203.0.113.10:80': 'world', '[2001:db8::10]:80': 'world' }],
      ['pod', sidecar, { '203.0.113.10:80': 'outbound', '[2001:db8::10]:80': 'outbound' }],
    ],
  },
  {
    name: 'takes only the inbound ports of a list, those of the sidecar too',
    options: { includeInboundPorts: [8080, 15_020], excludeInboundPorts: [8080] },
    calls: [
      ['world', application, { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound', '10.88.0.2:15020': 'inbound' }],
      ['world', application, { '10.88.0.2:9090': 'application', '[fd88::2]:9090': 'application' }],
      ['pod', application, { '203.0.113.10:80': 'outbound' }],
    ],
  },
  {
    name: 'takes nothing inbound with an empty list',
    options: { includeInboundPorts: [] },
    calls: [
      ['world', application, { '10.88.0.2:8080': 'application', '[fd88::2]:8080': 'application' }],
      ['pod', application, { '203.0.113.10:80': 'outbound', '[2001:db8::10]:80': 'outbound' }],
    ],
  },
  {
    name: 'leaves excluded inbound ports alone',
    options: { excludeInboundPorts: [22, 9090] },
    calls: [
      ['world', application, { '10.88.0.2:22': 'application', '[fd88::2]:9090': 'application' }],
      ['world', application, { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound', '10.88.0.2:15021': 'application' }],
    ],
  },
  {
    name: 'leaves the status port alone, wherever it is',
    options: { statusPort: 9090 },
    calls: [['world', application, { '10.88.0.2:9090': 'application', '[fd88::2]:15020': 'inbound' }]],
  },
  {
    name: 'has no status port with 0',
    options: { statusPort: 0 },
    calls: [
      ['world', application, { '10.88.0.2:15020': 'inbound', '[fd88::2]:15020': 'inbound', '10.88.0.2:15021': 'application' }],
    ],
  },
  {
    name: 'takes the included ranges of each family',
    options: { includeOutboundIPRanges: ['203.0.113.0/28', '2001:db8::10/124'] },
    calls: [
      ['pod', application, { '203.0.113.10:80': 'outbound', '203.0.113.20:80': 'world' }],
      ['pod', application, { '[2001:db8::10]:80': 'outbound', '[2001:db8::20]:80': 'world' }],
    ],
  },
  {
    name: 'leaves a family alone of which no range is included',
    options: { includeOutboundIPRanges: ['203.0.113.0/24'] },
    calls: [['pod', application, { '203.0.113.10:80': 'outbound', '[2001:db8::10]:80': 'world' }]],
  },
  {
    name: 'leaves excluded ranges alone, of an included range too',
    options: {
      includeOutboundIPRanges: ['203.0.113.0/24', '2001:db8::/32'],
      excludeOutboundIPRanges: ['203.0.113.20/32', '2001:db8::20/128'],
    },
    calls: [
      ['pod', application, { '203.0.113.10:80': 'outbound', '203.0.113.20:80': 'world' }],
      ['pod', application, { '[2001:db8::10]:80': 'outbound', '[2001:db8::20]:80': 'world' }],
    ],
  },
  {
    name: 'takes included outbound ports whatever the range, unless that is excluded',
    options: {
      includeOutboundIPRanges: [],
      includeOutboundPorts: [443],
      excludeOutboundIPRanges: ['203.0.113.20/32', '2001:db8::20/128'],
    },
    calls: [
      ['pod', application, { '203.0.113.10:443': 'outbound', '203.0.113.10:80': 'world', '203.0.113.20:443': 'world' }],
      ['pod', application, { '[2001:db8::10]:443': 'outbound', '[2001:db8::10]:80': 'world', '[2001:db8::20]:443': 'world' }],
    ],
  },
  {
    name: 'leaves excluded outbound ports alone, included ones too',
    options: { excludeOutboundPorts: [25, 5432], includeOutboundPorts: [25] },
    calls: [
      ['pod', application, { '203.0.113.10:25': 'world', '203.0.113.10:5432': 'world', '203.0.113.10:80': 'outbound' }],
      ['pod', application, { '[2001:db8::10]:25': 'world', '[2001:db8::10]:5432': 'world', '[2001:db8::10]:80': 'outbound' }],
    ],
  },
  {
    name: 'takes loopback addresses that are asked for, but 127.0.0.1',
    options: { includeOutboundIPRanges: ['127.0.0.0/8', 'fd88::2/128'] },
    calls: [
      ['pod', application, { '127.0.0.2:8080': 'outbound', '127.0.0.1:8080': 'application', '203.0.113.10:80': 'world' }],
      // The returns of the loopback interface are lifted in the other family as well.
      ['pod', application, { '[fd88::2]:8080': 'outbound', '[::1]:8080': 'application' }],
    ],
  },
  {
    name: 'leaves excluded interfaces alone, in both directions',
    options: { excludeInterfaces: ['eth1'] },
    calls: [
      ['pod', application, { '10.89.0.1:80': 'world', '[fd89::1]:80': 'world' }],
      ['pod', application, { '203.0.113.10:80': 'outbound', '[2001:db8::10]:80': 'outbound' }],
      ['world', application, { '10.89.0.2:8080': 'application', '[fd89::2]:8080': 'application' }],
      ['world', application, { '10.88.0.2:8080': 'inbound', '[fd88::2]:8080': 'inbound' }],
    ],
  },
  {
    name: 'takes all of DNS',
    options: { dns: 'all' },
    calls: [
      [
        'pod',
        application,
        { 'udp 10.88.0.1:53': 'dns', '10.88.0.1:53': 'dns', 'udp [fd88::1]:53': 'dns', '[fd88::1]:53': 'dns' },
      ],
      // A resolver of the pod's own, on its loopback interface.
      ['pod', application, { 'udp 127.0.0.1:53': 'dns', '127.0.0.1:53': 'dns', 'udp [::1]:53': 'dns' }],
      ['pod', application, { '203.0.113.10:80': 'outbound', '127.0.0.1:8080': 'application' }],
      ['pod', sidecar, { 'udp 10.88.0.1:53': 'world', '10.88.0.1:53': 'world', 'udp [fd88::1]:53': 'world' }],
    ],
  },
  {
    name: 'takes the DNS of the servers in resolv.conf',
    options: { dns: 'resolvConf' },
    resolvConf: 'search shop.svc\n#nameserver 10.89.0.1\nnameserver 10.88.0.1\nnameserver fd89::1%eth0\nnameserver 10.88.0.1\n',
    calls: [
      [
        'pod',
        application,
        { 'udp 10.88.0.1:53': 'dns', '10.88.0.1:53': 'dns', 'udp [fd89::1]:53': 'dns', '[fd89::1]:53': 'dns' },
      ],
      // What TCP goes to another server is outbound traffic like any other.
      ['pod', application, { 'udp 10.89.0.1:53': 'world', '10.89.0.1:53': 'outbound', 'udp [fd88::1]:53': 'world' }],
      ['pod', sidecar, { 'udp 10.88.0.1:53': 'world', '10.88.0.1:53': 'world', '[fd89::1]:53': 'world' }],
    ],
  },
  {
    name: 'takes no DNS where 53 is excluded',
    options: { dns: 'all', excludeOutboundPorts: [53] },
    calls: [['pod', application, { 'udp 10.88.0.1:53': 'world', '10.88.0.1:53': 'world', 'udp [fd88::1]:53': 'world' }]],
  },
];

describe.skipIf(!possible).each(['nft', 'legacy'] as const)('REDIRECT by iptables-%s', (backend) => {
  const { keep, release } = createKeeper();
  let pod: CapturedPod;

  beforeAll(async () => {
    pod = await createCapturedPod(keep, { backend });
  });
  afterEach(() => pod.reset());
  afterAll(release);

  it.each(cases)('$name', async ({ options, resolvConf, calls }) => {
    await pod.init(options, { resolvConf });
    for (const [from, owner, expected] of calls)
      expect(await pod.reach(pod.network[from], owner, Object.keys(expected))).toEqual(expected);
  });

  it('tells the sidecar where a connection was bound for', async () => {
    await pod.init();
    const { pod: inside, world } = pod.network;
    expect(await pod.call(inside, application, ['203.0.113.10:80', '[2001:db8::10]:80'])).toMatchObject([
      { name: 'outbound', original: ['203.0.113.10', 80] },
      { name: 'outbound', original: ['2001:db8::10', 80] },
    ]);
    expect(await pod.call(world, application, ['10.88.0.2:8080', '[fd88::2]:8080'])).toMatchObject([
      { name: 'inbound', original: ['10.88.0.2', 8080], peer: '10.88.0.1' },
      { name: 'inbound', original: ['fd88::2', 8080], peer: 'fd88::1' },
    ]);
  });
});
