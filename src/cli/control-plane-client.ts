import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ObjectName } from '../runtime/object.ts';
import type { ConnectionOptions } from './cluster/connection-options.ts';
import type { Replica, ReplicaAnswer, ReplicaSource } from './cluster/replica.ts';
import { CommandError } from './command-error.ts';

/** The address of the status port where neither `--address` nor a kubeconfig says otherwise. */
const defaultAddress = '127.0.0.1:15014';

/** How long it is taken for granted who leads, in milliseconds. */
const leaderForMs = 5_000;

/** The replicas of one control plane, asked together. Connections are kept until {@link close}. */
export class ControlPlaneClient {
  readonly #source: ReplicaSource;
  #replicas: readonly Replica[] = [];
  #foundMs = Number.NEGATIVE_INFINITY;

  constructor(source: ReplicaSource) {
    this.#source = source;
  }

  /** For messages: who was asked last. */
  get name(): string {
    return this.#replicas.map(({ name }) => name).join(', ');
  }

  /**
   * What each replica has under a path; those that have no such thing (404) are left out, so the list may be empty.
   * Throws a {@link CommandError} if one cannot be reached: a part of the truth would look like all of it.
   */
  async askEach<T>(path: string): Promise<T[]> {
    await this.#find();
    const answers = await Promise.all(this.#replicas.map((replica) => ask<T>(replica, path)));
    return answers.filter((answer) => answer !== undefined) as T[];
  }

  /**
   * What the leader says, which counts the proxies of every replica. Undefined: it has no such thing. Throws as {@link askEach}.
   * Who leads is looked up anew every few seconds, and when the last leader does not answer any more.
   */
  async askLeader<T>(path: string): Promise<T | undefined> {
    const isFresh = performance.now() - this.#foundMs < leaderForMs;
    if (!isFresh) await this.#find();
    try {
      return await ask<T>(this.#leader(), path);
    } catch (error) {
      if (!isFresh) throw error;
      await this.#find();
      return ask<T>(this.#leader(), path);
    }
  }

  /** As {@link ReplicaSource.generationOf}. */
  async generationOf(kind: string, name: ObjectName): Promise<number | undefined> {
    return this.#source.generationOf?.(kind, name);
  }

  /** Ends all connections; without it, those that are kept keep the process. */
  close(): void {
    this.#source.close();
  }

  async #find(): Promise<void> {
    this.#replicas = await this.#source.find();
    this.#foundMs = performance.now();
  }

  #leader(): Replica {
    const leader = this.#replicas.find(({ isLeader }) => isLeader);
    if (!leader) throw new CommandError(`none of ${this.name} leads at present; try again in a few seconds`);
    return leader;
  }
}

/** Finds the control plane that the options mean, and calls `use` with it. Throws a {@link CommandError} if there is none. */
export async function withControlPlane<T>(
  options: ConnectionOptions,
  use: (plane: ControlPlaneClient) => Promise<T>,
): Promise<T> {
  const plane = new ControlPlaneClient(await replicasOf(options));
  try {
    return await use(plane);
  } finally {
    plane.close();
  }
}

async function replicasOf(options: ConnectionOptions): Promise<ReplicaSource> {
  const { address, kubeconfig, context } = options;
  const mayHaveCluster = kubeconfig !== undefined || context !== undefined || hasKubeConfig();
  if (address === undefined && mayHaveCluster) {
    // Only now: to load the client takes longer than most commands take.
    const { replicasInCluster } = await import('./cluster/find-in-cluster.ts');
    const replicas = replicasInCluster(options);
    if (replicas) return replicas;
  }
  const replica = directReplica(address ?? defaultAddress);
  return { find: async () => [replica], close: replica.close };
}

function hasKubeConfig(): boolean {
  return process.env.KUBECONFIG !== undefined || existsSync(join(homedir(), '.kube', 'config'));
}

/** A status port that can be reached as it is. */
export function directReplica(address: string): Replica {
  return {
    name: address,
    isLeader: true,
    async get(path) {
      const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(10_000) });
      return { status: response.status, text: await response.text() };
    },
    close() {},
  };
}

async function ask<T>(replica: Replica, path: string): Promise<T | undefined> {
  let answer: ReplicaAnswer;
  try {
    answer = await replica.get(path);
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause);
    throw new CommandError(
      `no control plane answers at ${replica.name}: ${reason}. Start one with \`weft standalone\`, or say where it is with --address HOST:PORT`,
      1,
      cause,
    );
  }
  const { status, text } = answer;
  if (status === 404) return undefined;
  if (status < 200 || status > 299) throw new CommandError(`${replica.name}${path} answered ${status}: ${text.trim()}`);
  return JSON.parse(text) as T;
}
