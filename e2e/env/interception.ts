import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaptureOptions, defaultCaptureOptions } from '../../src/webhooks/iptables/capture-options.ts';
import { initCommand } from '../../src/webhooks/iptables/init-command.ts';
import type { ExecResult, Namespace } from './network.ts';

/** The ports of a sidecar: Istio's. */
export const sidecarPorts = { outbound: defaultCaptureOptions.outboundPort, inbound: defaultCaptureOptions.inboundPort } as const;

/** User id of the sidecar, whose own connections are left alone. */
export const sidecarUid = 1337;

/** What the init container finds around it. */
export interface InitSurroundings {
  /** Its /etc/resolv.conf. Default: the machine's. */
  readonly resolvConf?: string;
  /** Its PATH. Default: this process's. */
  readonly path?: string;
  /** Its shell, as a command. Default: sh. */
  readonly shell?: readonly string[];
  /** Shell commands to run before it, in the mount namespace that is its own. */
  readonly before?: string;
}

/** How an init container ended. */
export interface InitResult extends ExecResult {
  /** What it wrote to /dev/termination-log, which Kubernetes shows in the pod's status. */
  readonly message: string;
}

/** In a mount namespace of its own (`ip netns exec` makes one): an empty /dev with what a container has, then the given files. */
const surround = `set -e
mount -t tmpfs dev /dev
mknod -m 666 /dev/null c 1 3
mkdir /dev/shm
touch /dev/termination-log
mount --bind "$1/message" /dev/termination-log
if [ -e "$1/resolv.conf" ]; then mount --bind "$1/resolv.conf" /etc/resolv.conf; fi
eval "$2"
shift 2
set +e
exec "$@"`;

/** Runs the init container's command in a pod's namespace, as Kubernetes would: as root, with a /dev of its own. */
export async function runInit(
  pod: Pick<Namespace, 'exec'>,
  options: Partial<CaptureOptions> = {},
  { resolvConf, path = process.env.PATH!, shell = ['sh'], before = '' }: InitSurroundings = {},
): Promise<InitResult> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-init-'));
  try {
    await writeFile(join(folder, 'message'), '');
    if (resolvConf !== undefined) await writeFile(join(folder, 'resolv.conf'), resolvConf);
    const [, ...args] = initCommand({ ...defaultCaptureOptions, ...options });
    const command = ['env', `PATH=${path}`, ...shell, ...args];
    const result = await pod.exec('sh', ['-c', surround, 'surround', folder, before, ...command], { allowFailure: true });
    return { ...result, message: (await readFile(join(folder, 'message'), 'utf8')).trim() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
