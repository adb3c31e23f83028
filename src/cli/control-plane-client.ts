import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from './cluster/connection-options.ts';
import type { Replica, ReplicaAnswer } from './cluster/replica.ts';
import { CommandError } from './command-error.ts';

/** The address of the status port where neither `--address` nor a kubeconfig says otherwise. */
const defaultAddress = '127.0.0.1:15014';

/** The replicas of one control plane, asked together. */
export class ControlPlaneClient {
  readonly #replicas: readonly Replica[];

  /** @param replicas at least one, the leader first */
  constructor(replicas: readonly Replica[]) {
    this.#replicas = replicas;
  }

  /** For messages: who is asked. */
  get name(): string {
    return this.#replicas.map(({ name }) => name).join(', ');
  }

  /**
   * What each replica has under a path; those that have no such thing (404) are left out, so the list may be empty.
   * Throws a {@link CommandError} if one cannot be reached: a part of the truth would look like all of it.
   */
  async askEach<T>(path: string): Promise<T[]> {
    const answers = await Promise.all(this.#replicas.map((replica) => ask<T>(replica, path)));
    return answers.filter((answer) => answer !== undefined) as T[];
  }

  /** What the leader says, which counts the proxies of every replica. Undefined: it has no such thing. Throws as {@link askEach}. */
  async askLeader<T>(path: string): Promise<T | undefined> {
    const leader = this.#replicas.find(({ isLeader }) => isLeader);
    if (!leader) throw new CommandError(`none of ${this.name} leads at present; try again in a few seconds`);
    return ask(leader, path);
  }
}

/** Finds the control plane that the options mean. Throws a {@link CommandError} if there is none. */
export async function connect(options: ConnectionOptions): Promise<ControlPlaneClient> {
  const { address, kubeconfig, context } = options;
  const mayHaveCluster = kubeconfig !== undefined || context !== undefined || hasKubeConfig();
  if (address === undefined && mayHaveCluster) {
    // Only now: to load the client takes longer than most commands take.
    const { findInCluster } = await import('./cluster/find-in-cluster.ts');
    const replicas = await findInCluster(options);
    if (replicas) return new ControlPlaneClient(replicas);
  }
  return new ControlPlaneClient([directReplica(address ?? defaultAddress)]);
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
