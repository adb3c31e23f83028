/**
 * A candidate of a leader election in a process of its own, which a test can kill. Prints `leading` when it leads.
 * Arguments: kubeconfig file, identity, how far its clock is ahead in milliseconds.
 */
import { Cache } from '../cache/cache.ts';
import { Client } from '../client/client.ts';
import { RestClient } from '../client/rest-client.ts';
import { clientLeaseApi } from '../leader-election/client-lease-api.ts';
import { LeaderElector } from '../leader-election/leader-elector.ts';
import { loadKubeConfig } from '../manager/kube-config.ts';
import { skewedClock } from './skewed-clock.ts';

const [file, identity, aheadMs] = process.argv.slice(2) as [string, string, string];
const client = new Client({ rest: new RestClient({ kubeConfig: loadKubeConfig({ file }) }), cache: new Cache() });
const elector = new LeaderElector({
  api: clientLeaseApi(client),
  namespace: 'default',
  name: 'candidates',
  identity,
  leaseDurationMs: 3_000,
  renewDeadlineMs: 2_000,
  retryPeriodMs: 250,
  clock: skewedClock(Number(aheadMs)),
});
setInterval(() => {}, 60_000);
await elector.run(new AbortController().signal, { onStartedLeading: () => console.log('leading') });
process.exit(1);
