import { readFileSync } from 'node:fs';
import { idle } from './clock.ts';
import { Child } from './processes/child.ts';
import type { ControlPlaneOperations } from './processes/control-plane.ts';
import type { LoadClientsOperations } from './processes/load-clients.ts';
import type { Put, Usage } from './processes/observed.ts';

/** How the benchmarks are run. */
export interface BenchContext {
  /** Fewer rounds: to see whether it works, not to compare. */
  readonly quick: boolean;
  /** A directory for CPU profiles of the control planes. */
  readonly profileDirectory: string | undefined;
  /** Says what is being done. */
  progress(text: string): void;
}

/** A control plane in a process of its own, as the driver sees it. */
export class ControlPlane implements AsyncDisposable {
  readonly xdsAddress: string;
  /** From the process being asked for to its being ready for proxies. */
  readonly startMs: number;
  readonly #child: Child<ControlPlaneOperations>;
  readonly #metricsAddress: string;

  private constructor(
    child: Child<ControlPlaneOperations>,
    started: { xdsAddress: string; metricsAddress: string; readyAtMs: number },
  ) {
    this.#child = child;
    this.#metricsAddress = started.metricsAddress;
    this.xdsAddress = started.xdsAddress;
    this.startMs = started.readyAtMs - child.startedAtMs;
  }

  /** Starts one on a directory and waits until it is ready. */
  static async start(directory: string, { profileDirectory }: BenchContext): Promise<ControlPlane> {
    const profiling = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
    const program = new URL('./processes/control-plane.ts', import.meta.url);
    const child = new Child<ControlPlaneOperations>(program, [...shippedFlags(), '--expose-gc', ...profiling]);
    return new ControlPlane(child, await child.call('start', { directory }));
  }

  /** What was taken into the mesh since the last call. */
  puts(): Promise<Put[]> {
    return this.#child.call('puts', undefined);
  }

  usage(collected = false): Promise<Usage> {
    return this.#child.call('usage', { collected });
  }

  /** Resolves when the control plane has worked off what it had put off: statuses, after many proxies have come. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      const { cpuMs } = await this.usage();
      await idle(quietWindowMs);
      quiet = (await this.usage()).cpuMs - cpuMs < quietShare * quietWindowMs ? quiet + 1 : 0;
    }
  }

  /** Bytes of all responses written so far. */
  async sentBytes(): Promise<number> {
    const text = await (await fetch(`http://${this.#metricsAddress}/metrics`)).text();
    const sums = text.matchAll(/^pilot_xds_config_size_bytes_sum\{.*\} (\S+)$/gm);
    return sums.reduce((total, [, sum]) => total + Number(sum), 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}

/** A control plane that uses less of a core than this, over such a window, has nothing left to do. */
const quietShare = 0.05;
const quietWindowMs = 200;

/** Node's flags that the `weft` command starts with, in its first line. */
export function shippedFlags(): string[] {
  const [firstLine = ''] = readFileSync(new URL('../bin/weft', import.meta.url), 'utf8').split('\n');
  return firstLine.split(' ').filter((word) => word.startsWith('--'));
}

/** Simulated proxies in a process of their own. */
export function startLoadClients(): Child<LoadClientsOperations> {
  return new Child<LoadClientsOperations>(new URL('./processes/load-clients.ts', import.meta.url));
}
