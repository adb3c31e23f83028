import { Counter, Gauge, type Registry } from 'prom-client';

/** What an elector counts. */
export interface LeaderMetrics {
  leading(leads: boolean): void;
  /** A renewal could not rely on the last version seen and read the Lease again. */
  slowPath(): void;
}

/** For electors without a registry. */
export const noLeaderMetrics: LeaderMetrics = { leading() {}, slowPath() {} };

/** Metrics of one lease under client-go's names; `leader_election_master_status` is 0 from the start. */
export function createLeaderMetrics(registry: Registry, name: string): LeaderMetrics {
  const registers = [registry];
  const status =
    (registry.getSingleMetric('leader_election_master_status') as Gauge<'name'> | undefined) ??
    new Gauge({
      name: 'leader_election_master_status',
      help: 'Whether this process holds the lease: 1 for the leader, 0 for those that stand by',
      labelNames: ['name'],
      registers,
    });
  const slowPaths =
    (registry.getSingleMetric('leader_election_slowpath_total') as Counter<'name'> | undefined) ??
    new Counter({
      name: 'leader_election_slowpath_total',
      help: 'Renewals that had to read the lease first',
      labelNames: ['name'],
      registers,
    });
  status.labels({ name }).set(0);
  slowPaths.labels({ name }).inc(0);
  return {
    leading: (leads) => status.labels({ name }).set(leads ? 1 : 0),
    slowPath: () => slowPaths.labels({ name }).inc(),
  };
}
