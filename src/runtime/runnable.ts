/** Something that a manager starts and stops. */
export interface Runnable {
  /** For logs. */
  readonly name: string;
  /**
   * Which replicas run it. controller-runtime runs controllers on the leader only unless told otherwise; here there is no
   * default, because a server that every replica offers must not wait for an election by accident.
   */
  readonly group: 'everyReplica' | 'leader';
  /** Runs until `signal` aborts, and resolves when everything it started has ended. Rejects if it cannot start. */
  start(signal: AbortSignal): Promise<void>;
}
