import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ObjectStatus } from '../../src/status/render-status.ts';
import type { ProxyReport } from '../../src/xds/proxy-report.ts';
import { type Address, parseAddress } from './address.ts';
import { eventually } from './eventually.ts';
import { type MeshObject, toYaml } from './mesh-objects.ts';
import { describeExit, type ManagedProcess, type ProcessExit, startProcess } from './process.ts';

const weft = join(import.meta.dirname, '../../bin/weft');

/** What to start. */
export interface ControlPlaneOptions {
  /** The first files: name → objects, or text as it is. */
  files?: Record<string, readonly MeshObject[] | string>;
  /** Text of a MeshConfig file. Default: none. */
  meshConfig?: string;
}

/** Which object: NAME or NAMESPACE/NAME of a kind. */
export type ObjectPath = Pick<MeshObject, 'kind' | 'namespace' | 'name'>;

/** What a line of the control plane's log says. */
export type LogLine = { level: string; message: string } & Record<string, unknown>;

/** What came of a run of the `weft` command. */
export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** `weft standalone` as a process of its own, on a folder of YAML that the test writes. */
export interface ControlPlane {
  /** The folder it reads. */
  readonly folder: string;
  /** Where proxies connect: the same after a restart. */
  readonly xds: Address;
  /** `HOST:PORT` of status and debug, what client commands take as `--address`. */
  readonly http: string;
  /** Replaces a file in one step, as editors and git do. */
  write(file: string, content: readonly MeshObject[] | string): Promise<void>;
  /** Writes a file and waits until each of its objects is accepted and acknowledged by at least `affected` proxies (default 0). */
  apply(file: string, objects: readonly MeshObject[], options?: { affected?: number }): Promise<void>;
  remove(file: string): Promise<void>;
  /** The status of an object; undefined: it is not known. */
  status(object: ObjectPath): Promise<ObjectStatus | undefined>;
  /** Waits until the status is as wanted, and gives it. The error shows the last one. */
  waitForStatus(what: string, object: ObjectPath, accept: (status: ObjectStatus) => boolean): Promise<ObjectStatus>;
  /** Waits until the object's last applied generation is ready with at least `affected` proxies. */
  waitReady(object: ObjectPath, options?: { affected?: number }): Promise<ObjectStatus>;
  proxies(): Promise<ProxyReport[]>;
  /** A page of the status port, parsed. */
  get<T>(path: string): Promise<T>;
  /** Value of one metric, its labels as Prometheus writes them (`{type="cds"}`); 0 where it has no sample. */
  metric(name: string, labels?: string): Promise<number>;
  /** The log of the running process (or the last one), one entry per line. */
  logLines(): LogLine[];
  /** Ends the process, keeping its folder; `SIGKILL` gives it no chance to say goodbye. */
  halt(signal?: 'SIGTERM' | 'SIGKILL'): Promise<ProcessExit>;
  /** Starts it again on the same ports and folder. */
  resume(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Runs the `weft` command to its end. */
export const runWeft = async (args: readonly string[]): Promise<CommandResult> => {
  const out: string[] = [];
  const command = await startProcess({
    command: process.execPath,
    args: [weft, ...args],
    name: `weft ${args[0]}`,
    logBytes: 64 * 1_048_576,
    onLine: (line) => out.push(line),
  });
  const { code } = await command.exited;
  const isOutput = new Set(out);
  const stderr = command
    .log()
    .split('\n')
    .filter((line) => !isOutput.has(line));
  return { code, stdout: out.join('\n'), stderr: stderr.join('\n') };
};

/** The condition of a type, as `STATUS reason`: `True Propagated`. */
export const conditionOf = (status: ObjectStatus | undefined, type: string): string | undefined => {
  const condition = status?.conditions?.find((candidate) => candidate.type === type);
  return condition && `${condition.status} ${condition.reason}`;
};

/** Starts the control plane and resolves when it serves. Rejects with its log when it ends instead. */
export const startControlPlane = async (options: ControlPlaneOptions = {}): Promise<ControlPlane> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-config-'));
  const meshConfigFile = `${folder}-mesh.yaml`;
  /** What was applied last, to tell whether an object gets a new generation. */
  const applied = new Map<string, string>();
  const expectedGeneration = new Map<string, number>();

  const write: ControlPlane['write'] = async (file, content) => {
    const path = join(folder, file);
    await mkdir(dirname(path), { recursive: true });
    // Hidden while it is written: the source must see the whole file or none of it.
    const draft = join(dirname(path), `.${file.split('/').pop()}.draft`);
    await writeFile(draft, typeof content === 'string' ? content : toYaml(content));
    await rename(draft, path);
  };
  for (const [file, content] of Object.entries(options.files ?? {})) {
    await write(file, content);
    if (typeof content === 'string') continue;
    for (const object of content) {
      applied.set(keyOf(object), JSON.stringify(object.spec));
      expectedGeneration.set(keyOf(object), 1);
    }
  }
  if (options.meshConfig !== undefined) await writeFile(meshConfigFile, options.meshConfig);

  let running: ManagedProcess;
  let [xds, http, metrics] = ['127.0.0.1:0', '127.0.0.1:0', '127.0.0.1:0'];
  const logLines = (): LogLine[] =>
    running
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  const start = async (): Promise<void> => {
    running = await startProcess({
      command: process.execPath,
      args: [
        weft,
        'standalone',
        ...['--config', folder, '--xds-bind', xds, '--http-bind', http, '--metrics-bind', metrics],
        ...['--log-format', 'json', '--log-level', 'debug'],
        ...(options.meshConfig === undefined ? [] : ['--mesh-config', meshConfigFile]),
      ],
      name: 'weft standalone',
      logBytes: 16 * 1_048_576,
    });
    const serving = await eventually(
      'the control plane to serve',
      () => logLines().find(({ message }) => message === 'Serving'),
      {
        hopeless: () => (running.hasExited() ? `it has ended:\n${running.log()}` : undefined),
      },
    );
    ({ xds, http, metrics } = serving as unknown as { xds: string; http: string; metrics: string });
  };
  await start();

  const get = async <T>(path: string): Promise<T | undefined> => {
    const response = await fetch(`http://${http}${path}`);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  };
  const status: ControlPlane['status'] = ({ kind, namespace, name }) => get<ObjectStatus>(`/status/${kind}/${namespace}/${name}`);
  const waitForStatus: ControlPlane['waitForStatus'] = (what, object, accept) =>
    eventually(
      `${keyOf(object)} ${what}`,
      async () => {
        const found = await status(object);
        if (!found) throw new Error('it is not known');
        if (!accept(found)) throw new Error(JSON.stringify(found));
        return found;
      },
      { deadlineMs: 15_000 },
    );
  const waitReady: ControlPlane['waitReady'] = (object, { affected = 0 } = {}) =>
    waitForStatus(`to be ready with ${affected} proxies`, object, (found) => {
      const generation = expectedGeneration.get(keyOf(object)) ?? 0;
      const isCurrent = (found.observedGeneration ?? 0) >= generation;
      // Ready latches: a proxy that came since may have yet to acknowledge.
      const { acked = 0, pending } = found.propagation ?? {};
      return isCurrent && conditionOf(found, 'Ready') === 'True Propagated' && acked >= affected && pending === 0;
    });

  return {
    folder,
    get xds() {
      return parseAddress(xds);
    },
    get http() {
      return http;
    },
    write,
    apply: async (file, objects, wait) => {
      for (const object of objects) {
        const key = keyOf(object);
        const spec = JSON.stringify(object.spec);
        if (applied.get(key) === spec) continue;
        applied.set(key, spec);
        expectedGeneration.set(key, ((await status(object))?.observedGeneration ?? 0) + 1);
      }
      await write(file, objects);
      for (const object of objects) await waitReady(object, wait);
    },
    remove: (file) => rm(join(folder, file), { recursive: true }),
    status,
    waitForStatus,
    waitReady,
    proxies: async () => (await get<ProxyReport[]>('/proxies')) ?? [],
    get: async <T>(path: string) => {
      const found = await get<T>(path);
      if (found === undefined) throw new Error(`${path} is not there`);
      return found;
    },
    metric: async (name, labels = '') => {
      const text = await (await fetch(`http://${metrics}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}${labels} `));
      return line === undefined ? 0 : Number(line.split(' ').pop());
    },
    logLines,
    halt: async (signal = 'SIGTERM') => {
      if (signal === 'SIGKILL') running.child.kill(signal);
      return running.stop();
    },
    resume: start,
    stop: async () => {
      const exit = await running.stop();
      await rm(folder, { recursive: true, force: true });
      await rm(meshConfigFile, { force: true });
      const isClean = exit.code === 0 || exit.signal === 'SIGKILL';
      if (!isClean) throw new Error(`weft standalone ended with ${describeExit(exit)}:\n${running.log()}`);
    },
  };
};

const keyOf = ({ kind, namespace, name }: ObjectPath): string => `${kind} ${namespace}/${name}`;
