import type { ChangeKind } from './change-kinds.ts';
import { idle } from './clock.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Percentiles, percentilesOf } from './percentiles.ts';
import type { Child } from './processes/child.ts';
import type { LoadClientsOperations } from './processes/load-clients.ts';
import type { WorldDirectory } from './world-directory.ts';

/** A control plane on a world, with proxies that are in sync. */
export interface Bed {
  readonly directory: WorldDirectory;
  readonly plane: ControlPlane;
  readonly clients: Child<LoadClientsOperations>;
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
  readonly responses: readonly Uint8Array[];
  /** Responses that proxies got which the changes do not concern. */
  readonly strays: number;
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
  #responses: readonly Uint8Array[] = [];

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
    await clients.call('strays', undefined);
    this.#cpuMs -= (await plane.usage()).cpuMs;
  }

  /** Makes one change and waits until it has arrived everywhere. */
  async step(): Promise<void> {
    await this.#one();
  }

  async end(): Promise<SeriesResult> {
    const { plane, clients } = this.#bed;
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
      strays: await clients.call('strays', undefined),
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
    const { marks, affected } = this.#kind;
    this.#proxies = await clients.call('expect', { marks, affected: affected ?? {} });
    return () => clients.call('arrived', undefined);
  }
}
