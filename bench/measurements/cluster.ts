import { serviceEntryKind } from '../../src/api/index.ts';
import { typeUrls } from '../../src/envoy/resource.ts';
import { objectPath } from '../../src/runtime/client/resource-path.ts';
import { findKubeAssets } from '../../src/runtime/testenv/kube-assets.ts';
import { startTestEnv, type TestEnv } from '../../src/runtime/testenv/test-env.ts';
import { idle, nowMs } from '../clock.ts';
import { ClusterWorld, changedEntry, endpointsOf } from '../cluster-world.ts';
import { type BenchContext, shippedFlags, startLoadClients } from '../control-plane.ts';
import { type Percentiles, percentilesOf } from '../percentiles.ts';
import { Child } from '../processes/child.ts';
import type { LoadClientsOperations } from '../processes/load-clients.ts';
import type { Usage } from '../processes/observed.ts';
import type { OperatorOperations } from '../processes/operator.ts';
import type { Row, Section } from '../report.ts';

/** What one start of the operator on a world came to. */
interface Run {
  readonly serviceEntries: number;
  readonly servedMs: number;
  readonly firstProxyMs: number;
  readonly reconcilesPerSecond: number;
  readonly startCpuMs: number;
  readonly started: Usage;
  readonly afterwards: Usage;
  /** From the request that changes a ServiceEntry, and from the API server's answer to it, to the mesh having it. */
  readonly sentToReconciled: Percentiles;
  readonly answeredToReconciled: Percentiles;
  /** From the request to the proxy's ACK. */
  readonly sentToAcked: Percentiles;
  readonly cpuMsPerChange: number;
}

/** The operator on a real etcd and kube-apiserver with a large world in it, and with one of twice the size. */
export async function measureCluster(context: BenchContext): Promise<Section[]> {
  const assets = await findKubeAssets();
  if (!assets.ok) return [{ title: 'In a cluster', notes: [`Left out: ${assets.why}. To have it: ${assets.remedy}`], rows: [] }];
  const base = context.quick ? 1_000 : 10_000;
  const env = await startTestEnv({
    crdPaths: ['crds'],
    apiServerFlags: ['--enable-priority-and-fairness=false', '--max-requests-inflight=0', '--max-mutating-requests-inflight=0'],
  });
  try {
    const world = new ClusterWorld(env.rest);
    const runs: Run[] = [];
    for (const serviceEntries of [base, 2 * base]) {
      await world.growTo(serviceEntries, (made) => context.progress(`cluster: ${made} objects made`));
      context.progress(`cluster: ${serviceEntries} ServiceEntries`);
      runs.push(await runOn(env, serviceEntries, context));
    }
    return sectionsOf(runs, context.quick);
  } finally {
    await env.stop();
  }
}

async function runOn(env: TestEnv, serviceEntries: number, { quick, profileDirectory }: BenchContext): Promise<Run> {
  await using clients = startLoadClients();
  // The clients' process is up before the clock starts.
  await clients.call('sample', undefined);
  const profiling = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
  const program = new URL('../processes/operator.ts', import.meta.url);
  await using operator = new Child<OperatorOperations>(program, [...shippedFlags(), '--expose-gc', ...profiling]);
  const start = await operator.call('start', { kubeConfigFile: env.kubeConfigFile });
  const syncedAtMs = await clients.call('connect', { address: start.xdsAddress, count: 1, namespaces: 1 });
  const startCpuMs = (await operator.call('usage', { collected: false })).cpuMs;
  const started = await operator.call('usage', { collected: true });
  const changes = await changeEntries(env, operator, clients, quick ? 20 : 200);
  return {
    ...changes,
    serviceEntries,
    servedMs: start.servedAtMs - operator.startedAtMs,
    firstProxyMs: syncedAtMs - operator.startedAtMs,
    reconcilesPerSecond: start.reconciles / ((start.servedAtMs - start.firstPutAtMs) / 1000),
    startCpuMs,
    started,
    afterwards: await operator.call('usage', { collected: true }),
  };
}

/** Changes one ServiceEntry again and again, the operator idle before each but for the statuses that it writes. */
async function changeEntries(
  env: TestEnv,
  operator: Child<OperatorOperations>,
  clients: Child<LoadClientsOperations>,
  rounds: number,
): Promise<Pick<Run, 'sentToReconciled' | 'answeredToReconciled' | 'sentToAcked' | 'cpuMsPerChange'>> {
  const { namespace, position } = changedEntry;
  const items = await env.rest.request<{ items: { metadata: { name: string }; spec: { hosts: string[] } }[] }>({
    path: `/apis/networking.istio.io/v1/namespaces/${namespace}/serviceentries`,
    query: { limit: 2 },
  });
  const { metadata, spec } = items.items[position]!;
  const path = objectPath(serviceEntryKind, `${namespace}/${metadata.name}`);
  const mark = { typeUrl: typeUrls.endpoint, name: `outbound|80||${spec.hosts[0]}` };
  const warmUps = 5;
  const times = { sent: [] as number[], answered: [] as number[], acked: [] as number[] };
  let cpuMs = 0;
  for (let round = 0; round < warmUps + rounds; round++) {
    if (round === warmUps) {
      await operator.call('puts', undefined);
      cpuMs = -(await operator.call('usage', { collected: false })).cpuMs;
    }
    await idle(20);
    await clients.call('expect', { marks: [mark] });
    const sentAtMs = nowMs();
    const body = { spec: { endpoints: endpointsOf(round) } };
    await env.rest.request({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' });
    const answeredAtMs = nowMs();
    const ackedAtMs = await clients.call('arrived', undefined);
    if (round < warmUps) continue;
    times.sent.push(sentAtMs);
    times.answered.push(answeredAtMs);
    times.acked.push(ackedAtMs - sentAtMs);
  }
  cpuMs += (await operator.call('usage', { collected: false })).cpuMs;
  const key = `ServiceEntry/${namespace}/${metadata.name}`;
  const puts = (await operator.call('puts', undefined)).filter((put) => put.key === key);
  if (puts.length !== rounds) throw new Error(`${rounds} changes of ${key}, the mesh took ${puts.length} in`);
  return {
    sentToReconciled: percentilesOf(puts.map(({ atMs }, index) => atMs - times.sent[index]!)),
    answeredToReconciled: percentilesOf(puts.map(({ atMs }, index) => atMs - times.answered[index]!)),
    sentToAcked: percentilesOf(times.acked),
    cpuMsPerChange: cpuMs / rounds,
  };
}

function sectionsOf(runs: readonly Run[], quick: boolean): Section[] {
  const what = ({ serviceEntries }: Run) => `${serviceEntries.toLocaleString('en')} ServiceEntries`;
  const isBase = (run: Run) => run === runs[0] && !quick;
  const [base] = runs as [Run];
  const mebibyte = 2 ** 20;
  return [
    {
      title: 'In a cluster: start',
      notes: [
        'A real etcd and kube-apiserver on the same machine; as many Sidecars as ServiceEntries, and an EnvoyFilter for each twenty.',
        'Served: from the process being asked for to all lists being in and worked off. First proxy: to its ACK of the last type.',
        'Memory after a garbage collection, at the start and after the changes below; peak: the most the process ever had.',
        'Reconciles: from the first object that the mesh took in to the last, with the lists that come meanwhile.',
      ],
      rows: runs.map(
        (run): Row => ({
          what: what(run),
          figures: {
            'served s': run.servedMs / 1000,
            'first proxy s': run.firstProxyMs / 1000,
            'CPU s': run.startCpuMs / 1000,
            'reconciles/s': Math.round(run.reconcilesPerSecond),
            'RSS MiB': run.started.rssBytes / mebibyte,
            'later RSS MiB': run.afterwards.rssBytes / mebibyte,
            'peak RSS MiB': run.afterwards.peakRssBytes / mebibyte,
            'heap MiB': run.started.heapUsedBytes / mebibyte,
          },
          ...(isBase(run) ? { target: { figure: 'first proxy s', below: 10 } } : {}),
        }),
      ),
    },
    {
      title: 'In a cluster: one changed ServiceEntry',
      notes: [
        'An endpoint moves. Reconciled: the mesh has it. From the request to the API server, and from the API server’s answer to it.',
        'The operator writes statuses meanwhile, twenty a second, as it does after each start on a world without any.',
        'Ratio: to the smaller world.',
      ],
      rows: runs.map(
        (run): Row => ({
          what: what(run),
          figures: {
            'P50 ms': run.sentToReconciled.p50,
            'P99 ms': run.sentToReconciled.p99,
            'ratio of P50': run.sentToReconciled.p50 / base.sentToReconciled.p50,
            'answered P50 ms': run.answeredToReconciled.p50,
            'answered P99 ms': run.answeredToReconciled.p99,
            'ACK P50 ms': run.sentToAcked.p50,
            'ACK P99 ms': run.sentToAcked.p99,
            'CPU ms': run.cpuMsPerChange,
            'ratio of CPU': run.cpuMsPerChange / base.cpuMsPerChange,
          },
          ...(isBase(run) ? { target: { figure: 'answered P99 ms', below: 10 } } : {}),
        }),
      ),
    },
  ];
}
