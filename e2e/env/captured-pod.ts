import { expect } from 'vitest';
import type { CaptureOptions } from '../../src/webhooks/iptables/capture-options.ts';
import { formatAddress, isPath, parseAddress } from './address.ts';
import { type InitResult, type InitSurroundings, runInit } from './interception.ts';
import { createNetwork, type Namespace, type Network } from './network.ts';
import { callAll, type Owner, startListeners, type TrafficAnswer } from './traffic.ts';

/** The two ways in which iptables keeps its rules in the kernel. */
export type Backend = 'nft' | 'legacy';

/** Users of a pod: the application, the sidecar, and one of the sidecar's group only. */
export const owners = {
  application: { uid: 1000, gid: 1000 },
  sidecar: { uid: 1337, gid: 1337 },
  sidecarGroup: { uid: 1000, gid: 1337 },
  root: { uid: 0, gid: 0 },
  /** With TPROXY the sidecar is root. */
  rootSidecar: { uid: 0, gid: 1337 },
} as const satisfies Record<string, Owner>;

/** Addresses that the world has besides those of its links. */
export const worldAddresses = {
  v4: '203.0.113.10',
  v6: '2001:db8::10',
  otherV4: '203.0.113.20',
  otherV6: '2001:db8::20',
} as const;

/** The second link, `eth1`, between the same two. */
export const secondLink = { pod: ['10.89.0.2', 'fd89::2'], world: ['10.89.0.1', 'fd89::1'] } as const;

/** A pod with an application on 8080, 9090, 22 and the sidecar's own ports, what stands for a sidecar, and a world that listens. */
export interface CapturedPod {
  readonly network: Network;
  /** Runs the init container; it must end well. */
  init(options?: Partial<CaptureOptions>, surroundings?: InitSurroundings): Promise<InitResult>;
  /** Takes every rule out of the tables that the init container uses. */
  reset(): Promise<void>;
  /** All rules of both families. */
  save(): Promise<string>;
  /** Who got each call: `203.0.113.10:80`, `[2001:db8::10]:80`, `udp 10.88.0.1:53`, `10.88.0.2:8080 from 127.0.0.6`. */
  reach(from: Namespace, owner: Owner, calls: readonly string[]): Promise<Record<string, string>>;
  /** The whole answers. */
  call(from: Namespace, owner: Owner, calls: readonly string[]): Promise<TrafficAnswer[]>;
}

/** All rules of both families in a namespace, by one backend, without counters and comments. */
export async function saveRules({ exec }: Namespace, backend: Backend): Promise<string> {
  const saved = await Promise.all(['iptables', 'ip6tables'].map((family) => exec(`${family}-${backend}-save`, [])));
  return saved
    .map(({ stdout }) =>
      stdout
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .map((line) => line.replace(/ \[\d+:\d+\]$/, ''))
        .join('\n'),
    )
    .join('\n');
}

const parseCall = (text: string) => {
  const { protocol, to, source } = /^(?<protocol>udp )?(?<to>\S+)(?: from (?<source>\S+))?$/.exec(text)!.groups!;
  const address = parseAddress(to!);
  if (isPath(address)) throw new Error(`${formatAddress(address)} is no address of a network`);
  return { ...address, protocol: protocol ? ('udp' as const) : ('tcp' as const), ...(source && { source }) };
};

const tcp = (name: string, ports: readonly number[]) => ports.map((port) => ({ name, port }));

/**
 * Makes one; `keep` closes what was opened. With legacy iptables somebody else has put a rule into a table that way, so that the init
 * container finds that it has to.
 */
export async function createCapturedPod(
  keep: <Opened extends { close(): Promise<unknown> } | { stop(): Promise<unknown> }>(opened: Promise<Opened>) => Promise<Opened>,
  { backend = 'nft', mode = 'REDIRECT' }: { backend?: Backend; mode?: 'REDIRECT' | 'TPROXY' } = {},
): Promise<CapturedPod> {
  const network = await keep(createNetwork());
  const { pod, world } = network;
  for (const address of Object.values(worldAddresses)) await network.addWorldAddress(address);
  await pod.exec('ip', ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth1', 'netns', world.netns]);
  for (const [side, { exec }] of [['pod', pod] as const, ['world', world] as const]) {
    await exec('ip', ['link', 'set', 'eth1', 'up']);
    await exec('ip', ['addr', 'add', `${secondLink[side][0]}/24`, 'dev', 'eth1']);
    await exec('ip', ['addr', 'add', `${secondLink[side][1]}/64`, 'dev', 'eth1', 'nodad']);
  }
  if (backend === 'legacy') {
    for (const family of ['iptables', 'ip6tables'])
      await pod.exec(`${family}-legacy`, ['-A', 'INPUT', '-p', '253', '-j', 'ACCEPT']);
  }
  const inbound = { name: 'inbound', port: 15_006, transparent: mode === 'TPROXY' };
  const dns = { name: 'dns', port: 15_053, loopback: true };
  const resolver = { name: 'world', port: 53 };
  const udp = { protocol: 'udp' as const };
  await Promise.all([
    keep(
      startListeners(pod, mode === 'TPROXY' ? owners.rootSidecar : owners.sidecar, [
        inbound,
        { name: 'outbound', port: 15_001 },
        dns,
        { ...dns, ...udp },
      ]),
    ),
    keep(startListeners(pod, owners.root, tcp('application', [8080, 9090, 22, 15_008, 15_020, 15_021, 15_090]))),
    keep(startListeners(world, owners.root, [...tcp('world', [25, 80, 443, 5432]), resolver, { ...resolver, ...udp }])),
  ]);

  const call: CapturedPod['call'] = (from, owner, calls) => callAll(from, owner, calls.map(parseCall));
  return {
    network,
    init: async (options, surroundings) => {
      const result = await runInit(pod, options, surroundings);
      expect(result, result.stdout).toMatchObject({ code: 0, stderr: '', message: '' });
      expect(result.stdout).toContain(`by iptables-${backend}`);
      expect(result.stdout).toContain(`by ip6tables-${backend}`);
      return result;
    },
    reset: async () => {
      const input = ['raw', 'mangle', 'nat'].map((table) => `*${table}\nCOMMIT\n`).join('');
      for (const family of ['iptables', 'ip6tables']) await pod.exec(`${family}-${backend}-restore`, [], { input });
    },
    save: () => saveRules(pod, backend),
    call,
    reach: async (from, owner, calls) => {
      const answers = await call(from, owner, calls);
      return Object.fromEntries(calls.map((text, index) => [text, answers[index]!.name]));
    },
  };
}
