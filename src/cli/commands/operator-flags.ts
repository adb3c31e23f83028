import type { HostPort } from '../host-port.ts';
import type { SecurityFlags } from './security-flags.ts';
import type { ServeOptions } from './serve-options.ts';

/** What `weft operator` is told. */
export interface OperatorFlags extends ServeOptions, SecurityFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly writeStatus: boolean;
  readonly leaderElect: boolean;
  readonly healthBind?: HostPort;
  /** Milliseconds. */
  readonly drainTime: number;
  readonly replicaBind?: HostPort;
  readonly replicaTokenFile?: string;
  readonly replicaIdentityTokenFile?: string;
  readonly replicaTlsCert?: string;
  readonly replicaTlsKey?: string;
  readonly replicaTlsCa?: string;
  readonly replicaTlsServerName?: string;
  readonly replicaAllowPlaintext?: boolean;
}
