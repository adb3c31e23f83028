import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** What came of a command that ran to its end. */
export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  /** Variables besides those of this process. */
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  /** Resolve whatever the exit code is. Default: another one than 0 rejects. */
  readonly mayFail?: boolean;
}

/** Runs a command to its end, its stderr passed on as it comes as well. */
export async function run([file, ...args]: readonly string[], { env, stdin, mayFail }: RunOptions = {}): Promise<RunResult> {
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  if (!mayFail) child.stderr.pipe(process.stderr, { end: false });
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code !== 0 && !mayFail) throw new Error(`${[file, ...args].join(' ')} ended with exit code ${code}:\n${stderr || stdout}`);
  return { code, stdout, stderr };
}

/** Where `e2e/cluster/binaries` puts programs. */
export const binFolder = process.env.KUBE_BIN ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft/bin');

/** kubectl on the cluster of a kubeconfig: resolves with what it printed, rejects with what it complained of. */
export const kubectlOf =
  (kubeConfigFile: string) =>
  async (...args: string[]): Promise<string> =>
    (await run([join(binFolder, 'kubectl'), '--kubeconfig', kubeConfigFile, ...args])).stdout;

/** Creates or updates the objects of YAML text, as `kubectl apply -f -` with `flags`. */
export const applyOf =
  (kubeConfigFile: string, ...flags: readonly string[]) =>
  async (yaml: string): Promise<string> =>
    (await run([join(binFolder, 'kubectl'), '--kubeconfig', kubeConfigFile, 'apply', '-f', '-', ...flags], { stdin: yaml }))
      .stdout;
