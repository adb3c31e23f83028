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
}
