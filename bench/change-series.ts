import { typeUrls } from '../src/envoy/resource.ts';
import type { Mark } from './arrivals.ts';
import { idle } from './clock.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Percentiles, percentilesOf } from './percentiles.ts';
import type { Child } from './processes/child.ts';
import type { LoadClientsOperations, SentResponse } from './processes/load-clients.ts';
import { sharedFile, sidecarFile, type WorldDirectory } from './world-directory.ts';
import { foreignHost, namespaceName, namespaceSidecar, sharedCluster, sharedEntry, type WorldShape } from './worlds.ts';

/** A control plane on a world, with proxies that are in sync. */
export interface Bed {
  readonly shape: WorldShape;
  readonly directory: WorldDirectory;
  readonly plane: ControlPlane;
  readonly clients: Child<LoadClientsOperations>;
}

/** A kind of change that can be made over and over. */
export interface ChangeKind {
  readonly what: string;
  /** The object that the mesh takes in. */
  readonly key: string;
  /** What shows that the change has arrived at a proxy. */
  readonly marks: readonly Mark[];
  /** Only this namespace's proxies see it; absent: all. */
  readonly namespace?: string;
  /** How long the control plane is left alone before each change: longer than configuration changes are held together. */
  readonly idleMs: number;
  /** Makes the change. Answers when the file had changed. */
  make(directory: WorldDirectory, round: number): number;
  /** Takes it back where it cannot be made twice, with the same marks. */
  unmake?(directory: WorldDirectory): void;
}

/** One endpoint of ten of a service that every proxy sees. */
export const endpointChange: ChangeKind = {
  what: 'one endpoint',
  key: 'ServiceEntry/shared/moving',
  marks: [{ typeUrl: typeUrls.endpoint, name: sharedCluster('moving') }],
  idleMs: 20,
  make: (directory, round) => directory.replace(sharedFile('moving'), sharedEntry('moving', round + 1)),
};

/** A new HTTP service that every proxy sees: cluster, endpoints and route. */
export const newServiceEntry: ChangeKind = {
  what: 'new ServiceEntry',
  key: 'ServiceEntry/shared/new',
  marks: [
    { typeUrl: typeUrls.cluster, name: sharedCluster('new') },
    { typeUrl: typeUrls.route, name: '80' },
  ],
  idleMs: 130,
  make: (directory, round) => directory.replace(sharedFile('new'), sharedEntry('new', round)),
  unmake: (directory) => directory.remove(sharedFile('new')),
};

/** A host of another namespace comes into a namespace's Sidecar, or goes: that namespace's proxies see it. */
export function sidecarChange(shape: WorldShape): ChangeKind {
  const namespace = namespaceName(0);
  const { host, cluster } = foreignHost(1, shape);
  return {
    what: 'Sidecar',
    key: `Sidecar/${namespace}/default`,
    marks: [
      { typeUrl: typeUrls.cluster, name: cluster },
      { typeUrl: typeUrls.route, name: '80' },
    ],
    namespace,
    idleMs: 130,
    make: (directory, round) =>
      directory.replace(sidecarFile(namespace), namespaceSidecar(namespace, round % 2 === 0 ? [host] : [])),
  };
}

/** What a series of changes came to. */
export interface SeriesResult {
  readonly proxies: number;
  /** From the file's change to the last acknowledgement. */
  readonly fromFile: Percentiles;
  /** From the mesh taking the change in to the last acknowledgement. */
  readonly fromMesh: Percentiles;
  /** Written for one change, to all proxies together. */
  readonly bytesPerChange: number;
  /** The control plane's CPU for one change, with all that goes on besides. */
  readonly cpuMsPerChange: number;
  /** What the first proxy was sent for one change. */
  readonly responses: readonly SentResponse[];
}

/** Changes that are not counted: they warm the code, and the last of them counts the bytes. */
const warmUps = 6;

/** One series of changes, one change at a time; a bed may be shared by series that take turns. */
export class ChangeSeries {
  readonly #bed: Bed;
  readonly #kind: ChangeKind;
  readonly #fileAtMs: number[] = [];
  readonly #arrivedAtMs: number[] = [];
  #round = 0;
  #cpuMs = 0;
  #proxies = 0;
  #bytes = 0;
  #responses: readonly SentResponse[] = [];

  constructor(bed: Bed, kind: ChangeKind) {
    this.#bed = bed;
    this.#kind = kind;
  }

  /** Warms up, and counts what one change sends. */
  async begin(): Promise<void> {
    const { plane, clients } = this.#bed;
    for (let warmUp = 1; warmUp < warmUps; warmUp++) await this.#one();
    await idle(100);
    const before = await plane.sentBytes();
    await this.#change(async () => {
      this.#responses = await clients.call('sample', undefined);
      this.#bytes = (await plane.sentBytes()) - before;
    });
    this.#fileAtMs.length = this.#arrivedAtMs.length = 0;
    await plane.puts();
    this.#cpuMs -= (await plane.usage()).cpuMs;
  }

  /** Makes one change and waits until it has arrived everywhere. */
  async step(): Promise<void> {
    await this.#one();
  }

  async end(): Promise<SeriesResult> {
    const { plane } = this.#bed;
    const changes = this.#fileAtMs.length;
    const cpuMs = this.#cpuMs + (await plane.usage()).cpuMs;
    const puts = (await plane.puts()).filter(({ key }) => key === this.#kind.key);
    if (puts.length !== changes) throw new Error(`${changes} changes of ${this.#kind.key}, the mesh took ${puts.length} in`);
    const since = (starts: readonly number[]) => percentilesOf(this.#arrivedAtMs.map((at, index) => at - starts[index]!));
    return {
      proxies: this.#proxies,
      fromFile: since(this.#fileAtMs),
      fromMesh: since(puts.map(({ atMs }) => atMs)),
      bytesPerChange: this.#bytes,
      cpuMsPerChange: cpuMs / changes / (this.#kind.unmake ? 2 : 1),
      responses: this.#responses,
    };
  }

  #one(): Promise<void> {
    return this.#change(async () => {});
  }

  async #change(afterwards: () => Promise<void>): Promise<void> {
    const { make, unmake, idleMs } = this.#kind;
    const { directory } = this.#bed;
    await idle(idleMs);
    const arrived = await this.#expect();
    this.#fileAtMs.push(make(directory, this.#round++));
    this.#arrivedAtMs.push(await arrived());
    await afterwards();
    if (!unmake) return;
    await idle(idleMs);
    const gone = await this.#expect();
    unmake(directory);
    await gone();
  }

  async #expect(): Promise<() => Promise<number>> {
    const { clients } = this.#bed;
    const { marks, namespace } = this.#kind;
    this.#proxies = await clients.call('expect', { marks, namespace });
    return () => clients.call('arrived', undefined);
  }
}
