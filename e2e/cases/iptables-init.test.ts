import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type CaptureOptions, defaultCaptureOptions } from '../../src/webhooks/iptables/capture-options.ts';
import { computeRules } from '../../src/webhooks/iptables/compute-rules.ts';
import { type Backend, saveRules } from '../env/captured-pod.ts';
import { type InitSurroundings, runInit } from '../env/interception.ts';
import { createKeeper } from '../env/keeper.ts';
import { canIntercept, createNetwork, type Namespace } from '../env/network.ts';

const possible = (await canIntercept()).ok;
const { keep, defer, release } = createKeeper();
const backends: readonly Backend[] = ['nft', 'legacy'];
const shells = ['dash', 'bash', 'busybox'].filter(
  (shell) => spawnSync(shell, [shell === 'busybox' ? 'true' : '-c', 'true']).status === 0,
);
const golden = join(import.meta.dirname, '../../src/webhooks/iptables/testdata');

/** A folder for PATH that holds these commands of the machine and those of a shell, and scripts of the test's own. */
const makePath = async (commands: readonly string[], scripts: Record<string, string> = {}): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-path-'));
  defer(() => rm(folder, { recursive: true }));
  const places = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const have = new Map<string, string>();
  for (const place of places.toReversed()) for (const name of await readdir(place)) have.set(name, join(place, name));
  for (const name of ['sh', 'grep', 'sed', ...commands]) await symlink(have.get(name)!, join(folder, name));
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
};

const commandsOf = (...names: string[]): string[] => names.flatMap((name) => [name, `${name}-save`, `${name}-restore`]);

describe.skipIf(!possible)('the init container', () => {
  let pod: Namespace;
  beforeEach(async () => {
    ({ pod } = await keep(createNetwork()));
  });
  afterEach(release);

  const init = (options?: Partial<CaptureOptions>, surroundings?: InitSurroundings) => runInit(pod, options, surroundings);
  const succeed = async (options?: Partial<CaptureOptions>, surroundings?: InitSurroundings) => {
    const result = await init(options, surroundings);
    expect(result, result.stderr).toMatchObject({ code: 0, message: '' });
    return result.stdout;
  };
  const rulesOf = async (family: 'iptables' | 'ip6tables', backend: Backend = 'nft') =>
    (await pod.exec(`${family}-${backend}-save`, [])).stdout;
  const useLegacy = async () => {
    for (const family of ['iptables', 'ip6tables'])
      await pod.exec(`${family}-legacy`, ['-A', 'INPUT', '-p', '253', '-j', 'ACCEPT']);
  };
  const expectNothingCaptured = async () => {
    for (const backend of backends) expect(await saveRules(pod, backend)).not.toContain('ISTIO_');
  };
  const sysctl = (interfaces: readonly string[], disabled: 0 | 1) =>
    pod.exec('sh', ['-c', interfaces.map((name) => `echo ${disabled} >/proc/sys/net/ipv6/conf/${name}/disable_ipv6`).join('\n')]);

  describe.each(backends)('with iptables-%s', (backend) => {
    beforeEach(async () => {
      if (backend === 'legacy') await useLegacy();
    });

    // Legacy differs in how it takes a rule, not in which: each table, match and target once.
    const pairs = backend === 'nft' ? /\.in\.yaml$/ : /everything\.in\.yaml$/;

    it('loads the rules of golden pairs, and twice the same', async () => {
      for (const file of (await readdir(golden)).filter((name) => pairs.test(name))) {
        const options = parse(await readFile(join(golden, file), 'utf8')) as Partial<CaptureOptions>;
        if (options.mode === 'NONE') continue;
        expect(await succeed(options), file).toContain(`by iptables-${backend}`);
        const once = await saveRules(pod, backend);
        expect(once, file).toContain('-A OUTPUT -j ISTIO_OUTPUT');
        await succeed(options);
        expect(await saveRules(pod, backend), file).toBe(once);
        const input = ['raw', 'mangle', 'nat'].map((table) => `*${table}\nCOMMIT\n`).join('');
        for (const family of ['iptables', 'ip6tables']) await pod.exec(`${family}-${backend}-restore`, [], { input });
      }
    }, 240_000);

    const options = { mode: 'TPROXY', dns: 'all', excludeInterfaces: ['eth1'] } as const;
    const { ipv4, ipv6 } = computeRules({ ...defaultCaptureOptions, ...options });
    const restore = (family: 'iptables' | 'ip6tables', input: string) =>
      pod.exec(`${family}-${backend}-restore`, ['--noflush'], { input });

    const twiceTheJumps = '*nat\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n*raw\n-I OUTPUT -j ISTIO_OUTPUT_DNS\nCOMMIT\n';
    it.each<[string, () => Promise<unknown>]>([
      ['of which one family was set', () => restore('iptables', ipv4)],
      ['of which one table was set', () => restore('iptables', ipv4.slice(0, ipv4.indexOf('*mangle')))],
      ['whose jumps are there twice', async () => restore('ip6tables', ipv6 + twiceTheJumps)],
      [
        'with chains that hold other rules, and jumps but no rules',
        () =>
          restore(
            'iptables',
            '*nat\n:ISTIO_OUTPUT - [0:0]\n:ISTIO_REDIRECT - [0:0]\n-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 1\n' +
              '-A OUTPUT -p tcp -j ISTIO_OUTPUT\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n*mangle\n:ISTIO_INBOUND - [0:0]\nCOMMIT\n',
          ),
      ],
      ['whose probe was interrupted', () => restore('iptables', '*nat\n:WEFT_PROBE - [0:0]\n-A WEFT_PROBE -j RETURN\nCOMMIT\n')],
    ])('recovers from a run %s', async (_, interrupt) => {
      await succeed(options);
      const whole = await saveRules(pod, backend);
      const input = ['raw', 'mangle', 'nat'].map((table) => `*${table}\nCOMMIT\n`).join('');
      for (const family of ['iptables', 'ip6tables']) await pod.exec(`${family}-${backend}-restore`, [], { input });
      await interrupt();
      await succeed(options);
      expect(await saveRules(pod, backend)).toBe(whole);
    });

    it('leaves the rules of others where they are', async () => {
      const foreign =
        '*nat\n:OTHERS - [0:0]\n-A OTHERS -d 192.0.2.1/32 -j RETURN\n-A OUTPUT -d 192.0.2.2/32 -j OTHERS\n' +
        '-A PREROUTING -d 192.0.2.3/32 -j ACCEPT\n-A POSTROUTING -s 192.0.2.4/32 -j MASQUERADE\nCOMMIT\n' +
        '*mangle\n-A OUTPUT -d 192.0.2.5/32 -j RETURN\nCOMMIT\n*filter\n-A INPUT -s 192.0.2.6/32 -j DROP\nCOMMIT\n';
      await restore('iptables', foreign);
      await succeed(options);
      await succeed(options);
      const rules = (await rulesOf('iptables', backend)).split('\n');
      for (const rule of foreign.split('\n').filter((line) => line.startsWith('-A'))) expect(rules).toContain(rule);
      expect(rules.indexOf('-A OUTPUT -d 192.0.2.2/32 -j OTHERS')).toBeLessThan(rules.indexOf('-A OUTPUT -j ISTIO_OUTPUT'));
    });

    it('writes nowhere, so that a read-only root does', async () => {
      const before = 'for point in / /run; do mount -o remount,bind,ro "$point" || true; done\n! touch /weft 2>/dev/null';
      expect(await succeed(options, { before })).toContain(`iptables-${backend}-restore has loaded`);
    });
  });

  it('takes the backend of its own earlier run, whatever others have done since', async () => {
    expect(await succeed()).toContain('by iptables-nft, which works here');
    const once = await saveRules(pod, 'nft');
    await useLegacy();
    expect(await succeed()).toContain('by iptables-nft, which holds rules already');
    expect(await saveRules(pod, 'nft')).toBe(once);
    expect(await saveRules(pod, 'legacy')).not.toContain('ISTIO_');
  });

  it('takes what the image has', async () => {
    expect(await succeed({}, { path: await makePath(['ip', ...commandsOf('iptables-legacy', 'ip6tables-legacy')]) })).toContain(
      'iptables: by iptables-legacy, which works here',
    );
    expect(await rulesOf('ip6tables', 'legacy')).toContain('ISTIO_OUTPUT');
  });

  it('takes a command that has no backend in its name', async () => {
    const path = await makePath(['ip', ...commandsOf('iptables', 'ip6tables')]);
    expect(await succeed({}, { path })).toContain('iptables: by iptables, which works here');
    expect(await succeed({}, { path })).toContain('iptables: by iptables, which works here');
    expect((await rulesOf('iptables')).match(/-A OUTPUT -j ISTIO_OUTPUT/g)).toHaveLength(1);
  });

  it.each(shells)('runs in %s', async (shell) => {
    const options = { mode: 'TPROXY', dns: 'resolvConf' } as const;
    const out = await succeed(options, {
      shell: shell === 'busybox' ? [shell, 'sh'] : [shell],
      resolvConf: 'nameserver 10.88.0.1',
    });
    expect(out).toContain('ip6tables-nft-restore has loaded');
    expect(out).toContain('-A ISTIO_OUTPUT_DNS -d 10.88.0.1/32 -p udp --dport 53 -j REDIRECT --to-ports 15053');
  });

  it.each(backends)('needs NET_ADMIN and NET_RAW and nothing else, by %s', async (backend) => {
    if (backend === 'legacy') await useLegacy();
    const only = '-all,+net_admin,+net_raw';
    const shell = ['setpriv', `--bounding-set=${only}`, '--inh-caps=-all', '--no-new-privs', 'sh'];
    const out = await succeed({ mode: 'TPROXY', dns: 'all' }, { shell });
    expect(out).toContain(`ip6tables-${backend}-restore has loaded`);
  });

  it('reads the servers of resolv.conf, and says which it cannot use', async () => {
    const resolvConf =
      '; nameserver 10.0.0.9\nnameserver\t10.0.0.1\nnameserver 10.0.0.2 # second\nnameserver fe80::1%eth0\nnameserver $(id)\nnameserver\nnameserver 10.0.0.3';
    const out = await succeed({ dns: 'resolvConf' }, { resolvConf });
    expect(out).toContain('DNS is captured to the servers of /etc/resolv.conf: 10.0.0.1 10.0.0.2 10.0.0.3 fe80::1\n');
    expect(out).toContain('ignored in /etc/resolv.conf: nameserver $(id)\n');
    const servers = [...(await rulesOf('iptables')).matchAll(/-A ISTIO_OUTPUT_DNS -d (\S+) -p udp/g)].map(([, server]) => server);
    expect(new Set(servers)).toEqual(new Set(['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32']));
    expect(await rulesOf('ip6tables')).toContain('-A ISTIO_OUTPUT_DNS -d fe80::1/128 -p tcp');
  });

  it('fails where resolv.conf is to be read and is not there', async () => {
    const { code, message } = await init({ dns: 'resolvConf' }, { before: 'mount -t tmpfs none /etc' });
    expect([code, message]).toEqual([1, expect.stringContaining('/etc/resolv.conf cannot be read')]);
    await expectNothingCaptured();
  });

  describe('and IPv6', () => {
    const without6 = () => makePath(['ip', ...commandsOf('iptables-nft', 'iptables-legacy')]);
    const hideIpv6 = 'mount -t tmpfs none /proc/sys/net/ipv6';

    it('gives the loopback interface ::6, once', async () => {
      await succeed();
      await succeed();
      expect((await pod.exec('ip', ['-6', 'addr', 'show', 'dev', 'lo'])).stdout.match(/ ::6\/128 /g)).toHaveLength(1);
    });

    it('sets no rules of ip6tables where it is switched off by sysctl', async () => {
      await sysctl(['all'], 1);
      expect(await succeed({}, { path: await without6() })).toContain('ip6tables: not used, as IPv6 is switched off here');
      expect(await rulesOf('iptables')).toContain('ISTIO_OUTPUT');
      expect(await rulesOf('ip6tables')).not.toContain('ISTIO_');
    });

    it('sets them where one interface has it', async () => {
      await sysctl(['all', 'default', 'lo'], 1);
      await sysctl(['lo', 'eth0'], 0);
      await succeed();
      expect(await rulesOf('ip6tables')).toContain('ISTIO_OUTPUT');
    });

    it('sets none where the kernel has none', async () => {
      expect(await succeed({}, { path: await without6(), before: hideIpv6 })).toContain('ip6tables: not used');
      expect(await rulesOf('iptables')).toContain('ISTIO_OUTPUT');
    });

    it('goes without ip6tables where only an interface to come would have it', async () => {
      await sysctl(['eth0'], 1);
      const out = await succeed({}, { path: await without6() });
      expect(out).toContain(
        'ip6tables: not used, as it does not work, and no interface has IPv6. The image has no ip6tables-restore.',
      );
    });

    it('fails, and captures nothing, where the image has no ip6tables', async () => {
      const { code, message, stderr } = await init({}, { path: await without6() });
      expect(code).toBe(1);
      expect(message).toMatch(
        /^IPv6 is on \(interface eth0\), but ip6tables does not work, so IPv6 traffic would pass by the sidecar\./,
      );
      expect(message).toContain('The image has no ip6tables-restore.');
      expect(stderr).toContain(message);
      await expectNothingCaptured();
    });

    it('fails with the kernel’s own reason where ip6tables does not work', async () => {
      // Really without the right to: the kernel refuses, of IPv6 only.
      const refused = (name: string) => `#!/bin/sh\nexec setpriv --bounding-set=-net_admin --inh-caps=-net_admin ${name} "$@"\n`;
      const names = commandsOf('ip6tables-nft').map((name) => [name, refused(`/usr/sbin/${name}`)] as const);
      const path = await makePath(['ip', 'setpriv', ...commandsOf('iptables-nft')], Object.fromEntries(names));
      const { code, message } = await init({}, { path });
      expect(code).toBe(1);
      expect(message).toMatch(/^IPv6 is on \(interface eth0\), but ip6tables does not work/);
      expect(message).toMatch(/ip6tables-nft: .*(Permission denied|not permitted)/s);
      await expectNothingCaptured();
    });

    it('fails where the loopback interface cannot have the address of inbound connections', async () => {
      await sysctl(['lo'], 1);
      const { code, message } = await init();
      expect(code).toBe(1);
      expect(message).toMatch(
        /^IPv6 is on \(interface eth0\), but 'ip' \(iproute2\) cannot give ::6\/128 to the loopback interface/,
      );
      await expectNothingCaptured();
    });
  });

  it('fails with the reason where it has no NET_ADMIN', async () => {
    const shell = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', 'sh'];
    const { code, message } = await init({}, { shell });
    expect(code).toBe(1);
    expect(message).toMatch(/^iptables does not work, so the pod's traffic would pass by the sidecar\. iptables-nft: /);
    expect(message).toMatch(/The container needs root, NET_ADMIN and NET_RAW\.$/);
    await expectNothingCaptured();
  });

  it('fails where the image has no iptables', async () => {
    const { code, message } = await init({}, { path: await makePath(['ip']) });
    expect([code, message]).toEqual([1, expect.stringContaining('The image has no iptables-restore.')]);
  });

  it('fails where TPROXY has no routes, before any rule is set', async () => {
    const { code, message } = await init(
      { mode: 'TPROXY' },
      { path: await makePath(commandsOf('iptables-nft', 'ip6tables-nft')) },
    );
    expect(code).toBe(1);
    expect(message).toMatch(
      /^TPROXY needs a rule and a route of its own, and 'ip -4' \(iproute2\) does not set them: .*not found/,
    );
    await expectNothingCaptured();
  });

  it('leaves nothing of a family of which a table is refused', async () => {
    // A chain that the kernel does not have, in the last rule of the last table.
    const rules = computeRules({ ...defaultCaptureOptions, dns: 'all' });
    expect(rules.ipv4).toMatch(/-A ISTIO_OUTPUT -j ISTIO_REDIRECT\nCOMMIT\n$/);
    const path = await makePath(
      ['ip', ...commandsOf('ip6tables-nft', 'iptables-nft').filter((name) => name !== 'iptables-nft-restore')],
      {
        'iptables-nft-restore':
          '#!/bin/sh\nsed "s/-j ISTIO_REDIRECT$/-j NO_SUCH_TARGET/" | /usr/sbin/iptables-nft-restore "$@"\n',
      },
    );
    const { code, message } = await init({ dns: 'all' }, { path });
    expect([code, message]).toEqual([1, expect.stringMatching(/^iptables-nft-restore cannot load the rules: ./s)]);
    expect(await rulesOf('iptables')).not.toContain('ISTIO_');
  });
});
