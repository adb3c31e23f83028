/**
 * Which replicas run something and when: in this order a manager starts the groups, and each is ready before the next one starts.
 * - `server`: answers from first to last, probes and metrics for instance. Every replica.
 * - `webhook`: admission requests, before any cache, because a list may need a conversion webhook to answer. Every replica.
 * - `cache`: sources that fill a cache. Every replica.
 * - `everyReplica`: whatever else every replica does, a server of its own or a controller that feeds it.
 * - `leader`: one replica at a time, from its election on.
 */
export type RunnableGroupName = 'server' | 'webhook' | 'cache' | 'everyReplica' | 'leader';

/** Something that a manager starts and stops. */
export interface Runnable {
  /** For logs. */
  readonly name: string;
  /**
   * Which replicas run it. controller-runtime runs controllers on the leader only unless told otherwise; here there is no
   * default, because a server that every replica offers must not wait for an election by accident.
   */
  readonly group: RunnableGroupName;
  /** Runs until `signal` aborts, and resolves when everything it started has ended. Rejects if it cannot start or go on. */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when what other groups need of it is there: a port bound, a first list read. Called after {@link start}; rejects
   * with the signal's reason if that aborts first. Absent: ready at once.
   */
  waitForReady?(signal: AbortSignal): Promise<void>;
}
