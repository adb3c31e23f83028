import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** A program that runs until it is stopped or this process ends. */
export interface RunningChild {
  readonly name: string;
  readonly pid: number;
  /** Settles when it has ended, with `exit code 1` or `signal SIGKILL`; never rejects. */
  readonly ended: Promise<string>;
  /** How it ended; undefined while it runs. */
  readonly end: string | undefined;
  /** The newest of what it wrote. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL if it still runs after `deadlineMs`, default 5,000. */
  stop(deadlineMs?: number): Promise<void>;
}

/** Of the output of one program. */
const maxLogCharacters = 131_072;

const children = new Set<ChildProcess>();
let killsAtExit = false;

/** util-linux's `setpriv` has the kernel kill a child when its parent dies, by SIGKILL too. */
let guarded: boolean | undefined;
const isGuarded = (): boolean => {
  guarded ??= process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0;
  return guarded;
};

/** Starts a program. Rejects if it cannot be started at all. */
export async function startChild(name: string, program: string, args: readonly string[], cwd?: string): Promise<RunningChild> {
  const [file, ...rest] = isGuarded() ? ['setpriv', '--pdeathsig', 'KILL', '--', program, ...args] : [program, ...args];
  // Unguarded, it stays in the terminal's process group, so that Ctrl-C reaches it.
  const child = spawn(file!, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: isGuarded(), cwd });
  let log = '';
  let end: string | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-maxLogCharacters);
    });
  }
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      end = signal === null ? `exit code ${code}` : `signal ${signal}`;
      children.delete(child);
    });
    child.once('close', () => resolve(end ?? 'unknown'));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new Error(`cannot start ${name} (${program}): ${cause.message}`, { cause })));
  });
  children.add(child);
  if (!killsAtExit) {
    killsAtExit = true;
    process.once('exit', () => {
      for (const running of children) running.kill('SIGKILL');
    });
  }
  return {
    name,
    pid: child.pid!,
    ended,
    get end() {
      return end;
    },
    log: () => log,
    signal: (signal) => void child.kill(signal),
    async stop(deadlineMs = 5_000) {
      if (end === undefined) {
        child.kill('SIGTERM');
        // One that was paused does not hear SIGTERM.
        child.kill('SIGCONT');
        const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
        await ended;
        clearTimeout(timer);
      }
      await ended;
    },
  };
}
