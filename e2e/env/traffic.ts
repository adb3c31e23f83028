import { join } from 'node:path';
import type { Namespace } from './network.ts';
import { describeExit, type ManagedProcess, startProcess } from './process.ts';

const script = join(import.meta.dirname, 'traffic.py');

/** Who a process is: the rules know the sidecar by it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Something that listens on a port of both families and tells its name. */
export interface Listener {
  readonly name: string;
  readonly port: number;
  /** Default tcp. */
  readonly protocol?: 'tcp' | 'udp';
  /** Takes connections that are bound for others (IP_TRANSPARENT), and calls them itself from the caller's address. Needs NET_ADMIN. */
  readonly transparent?: boolean;
  /** Listens on the loopback addresses only. */
  readonly loopback?: boolean;
}

/** One connection, or one datagram. */
export interface TrafficCall {
  /** An address, not a name. */
  readonly host: string;
  readonly port: number;
  /** Default tcp. */
  readonly protocol?: 'tcp' | 'udp';
  /** Address to bind to before connecting. */
  readonly source?: string;
}

/** Who got a call. */
export interface TrafficAnswer {
  /** The listener's name, or why there was none. */
  readonly name: string;
  /** Address of the caller as the listener sees it. */
  readonly peer?: string;
  /** Address and port at which the listener got it. */
  readonly local?: readonly [string, number];
  /** What it was bound for before it was redirected. Linux names that for every tracked connection. */
  readonly original?: readonly [string, number] | null;
  /** What the application answered to a listener that is transparent. */
  readonly application?: TrafficAnswer;
}

const scriptArgs = ({ uid, gid }: Owner, command: 'listen' | 'call', argument: unknown): string[] => [
  script,
  ...[uid, gid].map(String),
  command,
  JSON.stringify(argument),
];

/** Starts listeners in a namespace, in one process of that owner; resolves when all listen. Needs python3. */
export async function startListeners(
  { netns }: Namespace,
  owner: Owner,
  listeners: readonly Listener[],
): Promise<ManagedProcess> {
  let ready = (): void => {};
  const listening = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const process = await startProcess({
    command: 'python3',
    args: scriptArgs(owner, 'listen', listeners),
    name: 'listeners',
    netns,
    onLine: ready,
  });
  const ended = process.exited.then((exit) => {
    throw new Error(`listeners ended with ${describeExit(exit)}:\n${process.log()}`);
  });
  await Promise.race([listening, ended]);
  ended.catch(() => {});
  return process;
}

/** Makes calls from a namespace, all at once, as one owner. A call that fails is an answer too. */
export async function callAll(from: Namespace, owner: Owner, calls: readonly TrafficCall[]): Promise<TrafficAnswer[]> {
  return JSON.parse((await from.exec('python3', scriptArgs(owner, 'call', calls))).stdout) as TrafficAnswer[];
}
