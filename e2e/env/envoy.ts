import { rmSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from './address.ts';
import { askAdmin, type ListenersAnswer, listenerAddresses, readStats } from './admin.ts';
import type { Json } from './bootstrap.ts';
import { ensureEnvoy } from './envoy-binary.ts';
import { eventually } from './eventually.ts';
import { describeExit, type ProcessExit, startProcess } from './process.ts';

/** What to start. */
export interface StartEnvoyOptions {
  /** From `buildBootstrap`. In a network namespace its admin address is replaced by a unix socket, which can be reached from outside. */
  bootstrap: Json;
  /** Path of the binary. Default: `ensureEnvoy()`. */
  binary?: string;
  /** Name of the network namespace it runs in (needs root). */
  netns?: string;
  /** User id it runs as (needs root); 1337 is the one that interception leaves alone. */
  uid?: number;
  /** Default `warning`. */
  logLevel?: 'trace' | 'debug' | 'info' | 'warning' | 'error' | 'critical' | 'off';
  /** Levels of single components: `upstream:debug,config:trace`. */
  componentLogLevel?: string;
  /** Worker threads. Default 1. */
  concurrency?: number;
  /** How long it may take to open its admin page. Default 10,000. */
  deadlineMs?: number;
}

/** How long to wait for something of Envoy's. */
export interface WaitOptions {
  /** Default 10,000. */
  deadlineMs?: number;
}

/** A running Envoy. Every wait ends at once, with its log in the error, when the process has died. */
export interface Envoy {
  readonly pid: number;
  /** Where its admin page answers. */
  readonly adminAddress: Address;
  /** Settles when the process has ended. */
  readonly exited: Promise<ProcessExit>;
  /** The body of a page of the admin interface: `/clusters?format=json`. Throws on a status other than 2xx. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<string>;
  /** `/config_dump` parsed; `resource` keeps one kind: `dynamic_active_clusters`. Endpoints are included. */
  configDump(resource?: string): Promise<{ configs: Json[] }>;
  /** Counters and gauges whose name matches the regular expression, by name. */
  stats(filter: string): Promise<Record<string, number>>;
  /** Resolves when it is LIVE: initialised, with the first answers of its control plane. */
  waitForReady(options?: WaitOptions): Promise<void>;
  /** Resolves when the listener is active, with the addresses it is bound to, its main one first. */
  waitForListener(name: string, options?: WaitOptions): Promise<Address[]>;
  /** Resolves with the value when the counter or gauge of that very name satisfies `accept`. */
  waitForStat(name: string, accept: (value: number) => boolean, options?: WaitOptions): Promise<number>;
  /** Its newest output. */
  log(): string;
  /** SIGTERM, then SIGKILL after `deadlineMs` (default 5,000); removes its files. May be called again. */
  stop(options?: { deadlineMs?: number }): Promise<ProcessExit>;
}

const folders = new Set<string>();
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * Starts Envoy and resolves when its admin page answers (which is before it is ready).
 * Rejects with its log when it refuses the bootstrap. It never outlives this process.
 */
export const startEnvoy = async (options: StartEnvoyOptions): Promise<Envoy> => {
  const { netns, uid, logLevel = 'warning', componentLogLevel, concurrency = 1, deadlineMs } = options;
  const binary = options.binary ?? (await ensureEnvoy());
  const folder = await mkdtemp(join(tmpdir(), 'weft-envoy-'));
  folders.add(folder);
  const removeFolder = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
  };
  const socket = join(folder, 'admin.sock');
  const bootstrap =
    netns === undefined ? options.bootstrap : { ...options.bootstrap, admin: { address: { pipe: { path: socket } } } };
  const bootstrapFile = join(folder, 'bootstrap.json');
  const addressFile = join(folder, 'admin-address');
  await writeFile(bootstrapFile, JSON.stringify(bootstrap, null, 2));
  if (uid !== undefined) await chown(folder, uid, uid);

  const envoy = await startProcess({
    command: binary,
    args: [
      ...['--config-path', bootstrapFile, '--admin-address-path', addressFile],
      ...['--disable-hot-restart', '--concurrency', String(concurrency), '--log-level', logLevel],
      ...(componentLogLevel === undefined ? [] : ['--component-log-level', componentLogLevel]),
    ],
    name: 'Envoy',
    netns,
    uid,
  }).catch(async (error) => {
    await removeFolder();
    throw error;
  });
  let exit: ProcessExit | undefined;
  const exited = envoy.exited.then(async (how) => {
    exit = how;
    await removeFolder();
    return how;
  });
  const hopeless = (): string | undefined => exit && `Envoy ended with ${describeExit(exit)}:\n${envoy.log()}`;

  const adminAddress = await eventually(
    "Envoy's admin page",
    async () => {
      const text = (await readFile(addressFile, 'utf8')).trim();
      const address = text === socket ? { path: socket } : parseAddress(text);
      return (await askAdmin(address, '/ready')).status > 0 && address;
    },
    { deadlineMs, intervalMs: 10, hopeless },
  ).catch(async (error: Error) => {
    await envoy.stop();
    await exited;
    throw exit && error.message.includes(envoy.log()) ? error : new Error(`${error.message}\n${envoy.log()}`, { cause: error });
  });

  const admin = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> => {
    const { status, body } = await askAdmin(adminAddress, path, method).catch((error: Error) => {
      throw new Error(hopeless() ?? `Envoy's admin page at ${formatAddress(adminAddress)}: ${error.message}`, { cause: error });
    });
    if (status < 200 || status > 299) throw new Error(`Envoy's admin page answered ${path} with ${status}: ${body.trim()}`);
    return body;
  };
  const stats = async (filter: string) => readStats(await admin(`/stats?format=json&filter=${encodeURIComponent(filter)}`));

  return {
    pid: envoy.pid,
    adminAddress,
    exited,
    admin,
    configDump: async (resource) => {
      const query = resource === undefined ? 'include_eds' : `include_eds&resource=${encodeURIComponent(resource)}`;
      return JSON.parse(await admin(`/config_dump?${query}`));
    },
    stats,
    waitForReady: async (wait = {}) => {
      await eventually('Envoy to be ready', async () => (await admin('/ready')).trim() === 'LIVE', { ...wait, hopeless });
    },
    waitForListener: (name, wait = {}) =>
      eventually(
        `Envoy's listener ${name}`,
        async () => listenerAddresses(JSON.parse(await admin('/listeners?format=json')) as ListenersAnswer, name),
        { ...wait, hopeless },
      ),
    waitForStat: (name, accept, wait = {}) =>
      eventually(
        `Envoy's statistic ${name}`,
        async () => {
          const value = (await stats(`^${escapeRegExp(name)}$`))[name];
          if (value === undefined) throw new Error('there is no such statistic');
          if (!accept(value)) throw new Error(`it is ${value}`);
          return value;
        },
        { ...wait, hopeless },
      ),
    log: envoy.log,
    stop: async (stopOptions) => {
      await envoy.stop(stopOptions);
      return exited;
    },
  };
};
