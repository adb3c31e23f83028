import { spawn } from 'node:child_process';

/** A command that fails when something is wrong with the code. */
export interface Check {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
}

/** How a check ended. */
export interface CheckResult {
  readonly name: string;
  /** It exited with 0. */
  readonly ok: boolean;
  readonly tookMs: number;
  /** What it printed on both streams, in the order in which it came. */
  readonly output: string;
}

export interface RunOptions {
  /** Where the commands run. */
  readonly cwd: string;
  /** How many run side by side. */
  readonly atOnce: number;
  /** Told of each result as it comes. */
  readonly onDone?: (result: CheckResult) => void;
}

/** Runs every check, also after one has failed. Results come in the order of the checks. */
export async function runChecks(checks: readonly Check[], { cwd, atOnce, onDone }: RunOptions): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  let next = 0;
  const work = async () => {
    while (next < checks.length) {
      const index = next++;
      const result = await runCheck(checks[index]!, cwd);
      results[index] = result;
      onDone?.(result);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}

async function runCheck({ name, command }: Check, cwd: string): Promise<CheckResult> {
  const startedMs = performance.now();
  const chunks: Buffer[] = [];
  const code = await new Promise<number>((resolve) => {
    const child = spawn(command[0]!, command.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => {
      chunks.push(Buffer.from(error.message));
      resolve(-1);
    });
    child.on('close', (exitCode) => resolve(exitCode ?? -1));
  });
  return { name, ok: code === 0, tookMs: performance.now() - startedMs, output: Buffer.concat(chunks).toString('utf8').trim() };
}

/** One line for each result, and under it the output of one that failed. */
export function describeResults(results: readonly CheckResult[]): string {
  return results
    .map(({ name, ok, tookMs, output }) => {
      const line = `${ok ? '✔' : '✘'} ${name.padEnd(nameWidth)} ${(tookMs / 1000).toFixed(1)} s`;
      return ok || output === '' ? line : `${line}\n${output.replace(/^/gm, '    ')}`;
    })
    .join('\n');
}

const nameWidth = 20;
