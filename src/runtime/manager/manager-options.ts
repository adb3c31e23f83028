import type { KubeConfig } from '@kubernetes/client-node';
import type { Registry } from 'prom-client';
import type { Cache } from '../cache/cache.ts';
import type { Clock } from '../clock.ts';
import type { LeaderElectorOptions } from '../leader-election/leader-elector.ts';
import type { LeaseApi } from '../leader-election/lease.ts';
import type { Logger } from '../logger.ts';
import type { BindAddress } from './http-listener.ts';

/** How a manager takes part in an election; durations and identity as the elector's. */
export interface LeaderElectionOptions
  extends Pick<LeaderElectorOptions, 'name' | 'identity' | 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs' | 'labels'> {
  /** Of the Lease. Default: that of the kubeconfig's context, in a pod the pod's own. */
  readonly namespace?: string;
  /**
   * What becomes of a leader that cannot renew its lease. `stop`, the default and controller-runtime's way: the manager ends with
   * an error and waits for nobody. `standBy`: the leader's runnables end before another replica can lead, everything else goes on,
   * and the replica is a candidate again; a leader's runnable is then started once for each term (`eachTerm` makes it anew).
   */
  readonly whenLost?: 'stop' | 'standBy';
  /** Give the lease back on a graceful stop, once all of the leader's runnables have ended. Default true. */
  readonly releaseOnStop?: boolean;
  /** Default: the Leases of the manager's cluster. */
  readonly api?: LeaseApi;
}

export interface ManagerOptions {
  /** Which cluster. Default: found as kubectl finds it. */
  readonly kubeConfig?: KubeConfig;
  /** Default: one on winston, to standard error. */
  readonly logger?: Logger;
  /** Who writes, for `metadata.managedFields` and the user agent. Default `weft-runtime`. */
  readonly fieldManager?: string;
  /** What controllers watch and clients read. Default: an empty one, filled with the kinds that controllers ask for. */
  readonly cache?: Cache;
  /** Where all metrics are registered. Default: one of its own. */
  readonly registry?: Registry;
  /** Prometheus' default metrics of the process and of Node. Default true. */
  readonly processMetrics?: boolean;
  /** Where `/metrics` is served. Default port 8080 on every address; false: nowhere. */
  readonly metricsBind?: BindAddress | false;
  /** Where `/healthz` and `/readyz` are served. Default port 8081 on every address; false: nowhere. */
  readonly healthProbeBind?: BindAddress | false;
  /** Absent: there is one replica, and it leads. */
  readonly leaderElection?: LeaderElectionOptions;
  /** How long runnables may take to end. Default 30 s; 0 waits for nobody, Infinity for everybody. */
  readonly gracefulShutdownTimeoutMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}
