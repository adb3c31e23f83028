import { findKubeAssets } from '../../src/runtime/testenv/kube-assets.ts';
import { startTestEnv, type TestEnv } from '../../src/runtime/testenv/test-env.ts';
import { changeEntry, type EntryChanges, holdLease, OperatorBed } from '../cluster-bed.ts';
import { baseLabels, ClusterWorld } from '../cluster-world.ts';
import type { BenchContext } from '../control-plane.ts';
import type { Row, Section } from '../report.ts';

const mebibyte = 2 ** 20;

/** The operator on a real etcd and kube-apiserver with a large world in it, and with one of twice the size. */
export async function measureCluster(context: BenchContext): Promise<Section[]> {
  const assets = await findKubeAssets();
  if (!assets.ok) return [{ title: 'In a cluster', notes: [`Left out: ${assets.why}. To have it: ${assets.remedy}`], rows: [] }];
  const env = await startTestEnv({
    crdPaths: ['crds'],
    apiServerFlags: ['--enable-priority-and-fairness=false', '--max-requests-inflight=0', '--max-mutating-requests-inflight=0'],
  });
  try {
    return await measureIn(env, context);
  } finally {
    await env.stop();
  }
}

async function measureIn(env: TestEnv, context: BenchContext): Promise<Section[]> {
  const { quick, progress } = context;
  const [base, rounds] = quick ? [1_000, 20] : [10_000, 200];
  const { rest, kubeConfigFile } = env;
  const world = new ClusterWorld(rest);
  const grow = (to: number) => world.growTo(to, (made) => progress(`cluster: ${made} objects made`));
  const starts: Row[] = [];
  const changes: Row[] = [];
  const named = (serviceEntries: number) => `${serviceEntries.toLocaleString('en')} ServiceEntries`;

  await grow(base);
  {
    progress(`cluster: ${named(base)}`);
    await using bed = await OperatorBed.start({ kubeConfigFile, leads: true }, context);
    const row = await startRow(named(base), bed);
    const [found] = (await changeEntry(rest, [bed], rounds)) as [EntryChanges];
    starts.push({
      ...row,
      figures: { ...row.figures, 'later RSS MiB': (await bed.usage(true)).rssBytes / mebibyte },
      ...(quick ? {} : { targets: startTargets }),
    });
    changes.push({ ...changeRow(`${named(base)}, writing statuses`, found), ...(quick ? {} : { targets: [reconciledTarget] }) });
  }

  await grow(2 * base);
  await holdLease(rest);
  progress(`cluster: ${named(2 * base)}`);
  await using whole = await OperatorBed.start({ kubeConfigFile, leads: false }, context);
  starts.push(await startRow(named(2 * base), whole));
  await using half = await OperatorBed.start({ kubeConfigFile, leads: false, labels: baseLabels }, context);
  const [less, more] = (await changeEntry(rest, [half, whole], rounds)) as [EntryChanges, EntryChanges];
  changes.push({ ...changeRow(`${named(base)}, writing none`, less, less), ...(quick ? {} : { targets: [reconciledTarget] }) });
  changes.push(changeRow(`${named(2 * base)}, writing none`, more, less));
  return [
    {
      title: 'In a cluster: start',
      notes: [
        'A real etcd and kube-apiserver on the same machine; as many Sidecars as ServiceEntries, and an EnvoyFilter for each twenty.',
        'Served: from the process being asked for to all lists being in and worked off. First proxy: to its ACK of the last type.',
        'Memory after a garbage collection, at the start and after the changes below; peak: the most the process ever had.',
        'Reconciles: from the first object that the mesh took in to the last, with the lists that come meanwhile.',
      ],
      rows: starts,
    },
    {
      title: 'In a cluster: one changed ServiceEntry',
      notes: [
        'An endpoint moves. Reconciled: the mesh has it. From the request to the API server, and from the API server’s answer to it.',
        'First row: the leader, which writes twenty statuses a second meanwhile, as it does after each start on a world without any.',
        'The others side by side, on the same changes: one operator selects half of the namespaces. Ratio: to that one.',
      ],
      rows: changes,
    },
  ];
}

const startTargets = [
  { figure: 'first proxy s', below: 10 },
  { figure: 'peak RSS MiB', below: 700 },
];
const reconciledTarget = { figure: 'answered P99 ms', below: 10 };

async function startRow(what: string, bed: OperatorBed): Promise<Row> {
  const { start, operator, firstProxyMs } = bed;
  const { cpuMs } = await bed.usage();
  const { rssBytes, peakRssBytes, heapUsedBytes } = await bed.usage(true);
  return {
    what,
    figures: {
      'served s': (start.servedAtMs - operator.startedAtMs) / 1000,
      'first proxy s': firstProxyMs / 1000,
      'CPU s': cpuMs / 1000,
      'reconciles/s': Math.round((start.reconciles * 1000) / (start.servedAtMs - start.firstPutAtMs)),
      'RSS MiB': rssBytes / mebibyte,
      'peak RSS MiB': peakRssBytes / mebibyte,
      'heap MiB': heapUsedBytes / mebibyte,
    },
  };
}

function changeRow(what: string, found: EntryChanges, base?: EntryChanges): Row {
  const { sentToReconciled, answeredToReconciled, sentToAcked, cpuMsPerChange } = found;
  return {
    what,
    figures: {
      'P50 ms': sentToReconciled.p50,
      'P99 ms': sentToReconciled.p99,
      ...(base ? { 'ratio of P50': sentToReconciled.p50 / base.sentToReconciled.p50 } : {}),
      'answered P50 ms': answeredToReconciled.p50,
      'answered P99 ms': answeredToReconciled.p99,
      'ACK P50 ms': sentToAcked.p50,
      'ACK P99 ms': sentToAcked.p99,
      'CPU ms': cpuMsPerChange,
      ...(base ? { 'ratio of CPU': cpuMsPerChange / base.cpuMsPerChange } : {}),
    },
  };
}
