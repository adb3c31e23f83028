import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** The chart. */
export const chartFolder = join(import.meta.dirname, '../../helm/weft');

/** How to have helm where there is none. */
export const helmRemedy = 'e2e/cluster/binaries helm # builds it; or any helm 3 in the PATH';

/** Where helm is: in `~/.cache/weft/bin`, or in the PATH; undefined: nowhere. */
export function findHelm(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const cache = join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft', 'bin');
  const folders = [cache, ...(environment.PATH ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, 'helm')).find(isExecutable);
}

/** A run of helm. */
export interface HelmResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs helm to its end, whatever comes of it. */
export async function runHelm(helm: string, args: readonly string[]): Promise<HelmResult> {
  try {
    return { code: 0, ...(await execute(helm, args, { maxBuffer: 64 * 1024 * 1024 })) };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

/** Arguments that render the chart as for a release `weft` in `weft-system`, on a version of Kubernetes that is given: helm's own is its build's. */
export const templateArgs = (...more: readonly string[]): string[] => [
  ...['template', 'weft', chartFolder, '--namespace', 'weft-system', '--kube-version', '1.34.0'],
  ...more,
];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
