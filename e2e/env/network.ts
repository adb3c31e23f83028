import { execFile, spawnSync } from 'node:child_process';
import { isIPv6 } from 'node:net';
import type { CaptureOptions } from '../../src/webhooks/iptables/capture-options.ts';
import { runInit } from './interception.ts';
import { wrapCommand } from './process.ts';

/** What a command printed, and how it ended. */
export interface ExecResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Options of `exec`. */
export interface ExecOptions {
  /** User id to run as. Default: root. */
  uid?: number;
  /** Text for its stdin. */
  input?: string;
  /** Give back a failure instead of throwing it. Default false. */
  allowFailure?: boolean;
}

/** One network namespace. */
export interface Namespace {
  /** Its name: the `netns` option of `startEnvoy`, `startEcho`, `startDnsServer`, `makeCall`, `startLoad`. */
  readonly netns: string;
  /** Its address on the link between the two. */
  readonly ipv4: string;
  /** Absent where the kernel has no IPv6 at all. */
  readonly ipv6?: string;
  /** Runs a command in it. Throws with what the command printed when it fails. */
  exec(command: string, args: string[], options?: ExecOptions): Promise<ExecResult>;
}

/** Two namespaces joined by a link, and nothing else: no packet leaves the machine. */
export interface Network {
  /** The side of the application and its sidecar. Everything it does not have itself it seeks in `world`. */
  readonly pod: Namespace;
  /** The side of the services that it calls. A connection to an address nobody has is refused at once (host unreachable). */
  readonly world: Namespace;
  /** Gives `world` one more address, of either family, for a service to listen on. */
  addWorldAddress(address: string): Promise<void>;
  /** Lets the init container set its rules in `pod`, for each family that it has. Default: those of a sidecar that runs as 1337. */
  intercept(options?: Partial<CaptureOptions>): Promise<void>;
  /** Removes both namespaces. End the processes in them first. */
  close(): Promise<void>;
}

const namePattern = /^weft-(\d+)-\d+-(?:pod|world)$/;
const open = new Set<string>();
let created = 0;
process.on('exit', () => {
  for (const netns of open) spawnSync('ip', ['netns', 'del', netns]);
});

const execute = ([file, ...args]: string[], { input, allowFailure }: ExecOptions = {}): Promise<ExecResult> =>
  new Promise((resolve, reject) => {
    const child = execFile(file!, args, { maxBuffer: 64 * 1_048_576 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
      if (code === 0 || allowFailure) return resolve({ code, stdout, stderr });
      reject(
        new Error(`'${[file, ...args].join(' ')}' failed: ${stderr.trim() || stdout.trim() || error?.message}`, { cause: error }),
      );
    });
    child.stdin!.on('error', () => {});
    child.stdin!.end(input ?? '');
  });

const ip = (...args: string[]): Promise<ExecResult> => execute(['ip', ...args]);

/** Removes the namespaces of test processes that were killed before they could. */
const removeStale = async (): Promise<void> => {
  const { stdout } = await ip('netns', 'list');
  for (const [netns = ''] of stdout.split('\n').map((line) => line.split(' '))) {
    const pid = Number(namePattern.exec(netns)?.[1]);
    if (!pid || pid === process.pid || isAlive(pid)) continue;
    await execute(['ip', 'netns', 'del', netns], { allowFailure: true });
  }
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

// A test network is its own world: the same addresses serve every one of them.
const links = {
  pod: { ipv4: '10.88.0.2', ipv6: 'fd88::2' },
  world: { ipv4: '10.88.0.1', ipv6: 'fd88::1' },
};

/** Switches IPv6 on where the kernel has it, whatever the host's default for new namespaces; forwarding makes unknown addresses fail fast. */
const prepareScript = `set -e
ip link set lo up
if [ -d /proc/sys/net/ipv6/conf ]; then
  for name in all default lo; do echo 0 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done
  echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
  echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
  echo ipv6
fi
echo 1 > /proc/sys/net/ipv4/ip_forward`;

const createNamespace = async (netns: string, side: 'pod' | 'world'): Promise<Namespace> => {
  await ip('netns', 'add', netns);
  open.add(netns);
  const exec = (command: string, args: string[], options: ExecOptions = {}) =>
    execute(wrapCommand({ command, args, netns, uid: options.uid }), options);
  const { stdout } = await exec('sh', ['-c', prepareScript]);
  return { netns, ipv4: links[side].ipv4, ipv6: stdout.includes('ipv6') ? links[side].ipv6 : undefined, exec };
};

const joinNamespaces = async (pod: Namespace, world: Namespace): Promise<void> => {
  await ip('link', 'add', 'eth0', 'netns', pod.netns, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', world.netns);
  for (const { netns } of [pod, world]) await ip('-n', netns, 'link', 'set', 'eth0', 'up');
  for (const { netns, ipv4, ipv6 } of [pod, world]) {
    await ip('-n', netns, 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0');
    if (ipv6) await ip('-n', netns, 'addr', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
  }
  await ip('-n', pod.netns, 'route', 'add', 'default', 'via', world.ipv4);
  await ip('-n', world.netns, 'route', 'add', 'unreachable', 'default');
  if (!pod.ipv6 || !world.ipv6) return;
  await ip('-n', pod.netns, '-6', 'route', 'add', 'default', 'via', world.ipv6);
  await ip('-n', world.netns, '-6', 'route', 'add', 'unreachable', 'default');
};

/** Makes a network of the test's own. Needs root and the commands that `canIntercept` looks for. */
export const createNetwork = async (): Promise<Network> => {
  await removeStale();
  const prefix = `weft-${process.pid}-${++created}`;
  const names = [`${prefix}-pod`, `${prefix}-world`] as const;
  const close = async (): Promise<void> => {
    for (const netns of names) {
      if (!open.delete(netns)) continue;
      await ip('netns', 'del', netns);
    }
  };
  try {
    const pod = await createNamespace(names[0], 'pod');
    const world = await createNamespace(names[1], 'world');
    await joinNamespaces(pod, world);
    return {
      pod,
      world,
      addWorldAddress: async (address) => {
        const [prefixLength, flags] = isIPv6(address) ? [128, ['nodad']] : [32, []];
        await ip('-n', world.netns, 'addr', 'add', `${address}/${prefixLength}`, 'dev', 'lo', ...flags);
      },
      intercept: async (options = {}) => {
        const { code, message, stderr } = await runInit(pod, options);
        if (code !== 0)
          throw new Error(`cannot intercept in namespace ${pod.netns}: ${message || stderr.trim() || `exit code ${code}`}`);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Whether interception can be tested here, and if not, why and what to do. */
export type Interception = { ok: true } | { ok: false; why: string; remedy: string };

const installCommand = 'apt-get install -y iptables iproute2 util-linux python3';

const probe = async (): Promise<Interception> => {
  if (process.platform !== 'linux')
    return { ok: false, why: `${process.platform} has no network namespaces`, remedy: 'run it on Linux' };
  const missing: string[] = [];
  for (const [command, flag] of [
    ['ip', '-V'],
    ['iptables', '--version'],
    ['ip6tables', '--version'],
    ['setpriv', '--version'],
    ['python3', '--version'],
  ] as const) {
    if ((await execute([command, flag], { allowFailure: true })).code !== 0) missing.push(command);
  }
  if (missing.length > 0) return { ok: false, why: `missing: ${missing.join(', ')}`, remedy: installCommand };
  if (process.getuid?.() !== 0)
    return { ok: false, why: 'network namespaces need root', remedy: 'run it as root: sudo npm run e2e' };
  try {
    const network = await createNetwork();
    await network.intercept().finally(network.close);
    return { ok: true };
  } catch (error) {
    return {
      ok: false,
      why: (error as Error).message,
      remedy: 'run it as root with CAP_NET_ADMIN and CAP_SYS_ADMIN (docker run --privileged)',
    };
  }
};

let answer: Promise<Interception> | undefined;

/** Finds out by doing it once: makes a network, puts the rules in for both families, removes it. */
export const canIntercept = (): Promise<Interception> => {
  answer ??= probe();
  return answer;
};
