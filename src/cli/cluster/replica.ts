import type { ObjectName } from '../../runtime/object.ts';

/** What a status port answered. */
export interface ReplicaAnswer {
  readonly status: number;
  readonly text: string;
}

/** One replica of the control plane, however it is reached. */
export interface Replica {
  /** For messages: an address, or a pod. */
  readonly name: string;
  /** Whether it leads: its counts are those of the whole mesh. */
  readonly isLeader: boolean;
  /** Asks its status port. Rejects if it cannot be reached. */
  get(path: string): Promise<ReplicaAnswer>;
  /** Ends the connection to it, if one is kept. */
  close(): void;
}

/** The replicas of a control plane, which come and go. */
export interface ReplicaSource {
  /** Those of now, the leader first. Throws a {@link CommandError} if there is none. */
  find(): Promise<readonly Replica[]>;
  /**
   * The generation of an object where it comes from, which the control plane may not have seen yet. Undefined: there is no such
   * object, or whoever asks may not read it. Absent: what the control plane knows is all there is.
   */
  generationOf?(kind: string, name: ObjectName): Promise<number | undefined>;
  /** Ends every connection. */
  close(): void;
}
