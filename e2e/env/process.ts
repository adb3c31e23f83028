import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A process to start. */
export interface ProcessOptions {
  /** The program: a path, or a name found in PATH. */
  command: string;
  args?: string[];
  /** What it is called in errors. Default: the command. */
  name?: string;
  /** Name of the network namespace it runs in (needs root). Default: the caller's own. */
  netns?: string;
  /** User and group id it runs as (needs root). Default: the caller's. */
  uid?: number;
  /** Variables added to the caller's environment. */
  env?: Record<string, string>;
  /** Called with each line of stdout; stderr goes to the log only. */
  onLine?: (line: string) => void;
  /** How much of its output is kept, the newest. Default 262,144. */
  logBytes?: number;
}

/** How a process ended. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process that this one started and that ends with it at the latest. */
export interface ManagedProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Settles when the process has ended and its output is read; never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** True once it has ended. */
  hasExited(): boolean;
  /** The newest part of stdout and stderr, in the order they came. */
  log(): string;
  /** SIGTERM, and SIGKILL when it still runs after `deadlineMs` (default 5,000). Resolves when it is gone; may be called again. */
  stop(options?: { deadlineMs?: number }): Promise<ProcessExit>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

let guardPresent: boolean | undefined;

/** True when util-linux's `setpriv` can tie a child's life to its parent's (and change its user). */
export const hasSetpriv = (): boolean => {
  guardPresent ??= process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0;
  return guardPresent;
};

/**
 * The argument list that runs a command in a namespace and as a user. Each wrapper replaces itself by the next,
 * so the process id stays that of the command, and the kernel kills it when the caller dies, even by SIGKILL.
 */
export const wrapCommand = ({ command, args = [], netns, uid }: ProcessOptions): string[] => {
  const guard = hasSetpriv();
  if (uid !== undefined && !guard) {
    throw new Error(`cannot run ${command} as user ${uid}: setpriv is missing; install it with: apt-get install -y util-linux`);
  }
  const user = uid === undefined ? [] : ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  return [
    ...(netns === undefined ? [] : ['ip', 'netns', 'exec', netns]),
    ...(guard ? ['setpriv', '--pdeathsig', 'KILL', ...user, '--'] : []),
    command,
    ...args,
  ];
};

/** Starts a process. Rejects with the reason when it cannot be started at all. */
export const startProcess = async (options: ProcessOptions): Promise<ManagedProcess> => {
  const { name = options.command, onLine, logBytes = 262_144 } = options;
  const [file, ...args] = wrapCommand(options);
  // Without the guard it stays in the terminal's process group, so that Ctrl-C reaches it.
  const child = spawn(file!, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: hasSetpriv(),
    env: { ...process.env, ...options.env },
  });
  const lines: string[] = [];
  let keptBytes = 0;
  const keep = (line: string): void => {
    lines.push(line);
    keptBytes += line.length + 1;
    while (keptBytes > logBytes && lines.length > 1) keptBytes -= lines.shift()!.length + 1;
  };
  // A child that died takes its stdin with it: writing to it must not take this process down.
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    keep(line);
    onLine?.(line);
  });
  createInterface({ input: child.stderr }).on('line', keep);

  let exit: ProcessExit | undefined;
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      running.delete(child);
    });
    child.once('close', () => resolve(exit ?? { code: null, signal: null }));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`cannot start ${name}: ${error.message}`, { cause: error })));
  });
  running.add(child);

  return {
    pid: child.pid!,
    child,
    exited,
    hasExited: () => exit !== undefined,
    log: () => lines.join('\n'),
    stop: async ({ deadlineMs = 5_000 } = {}) => {
      if (exit === undefined) {
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
        await exited;
        clearTimeout(timer);
      }
      return exited;
    },
  };
};

/** `exit code 1` or `signal SIGKILL`, for an error. */
export const describeExit = ({ code, signal }: ProcessExit): string =>
  signal === null ? `exit code ${code}` : `signal ${signal}`;
