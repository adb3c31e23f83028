import { appSidecarChange, type ChangeKind, endpointChange, filterChange, newServiceEntry } from '../change-kinds.ts';
import { type Bed, ChangeSeries, type SeriesResult } from '../change-series.ts';
import { nowMs } from '../clock.ts';
import { type BenchContext, ControlPlane, startLoadClients } from '../control-plane.ts';
import { fleetFiles, fleetProxies } from '../fleet-world.ts';
import type { Row, Section } from '../report.ts';
import { WorldDirectory } from '../world-directory.ts';
import { namespaceName, type WorldShape } from '../worlds.ts';

/** A kind of change as it is measured here. */
interface Aim {
  readonly changes: number;
  readonly p99Ms: number;
  /** A tenth of what istiod sends. */
  readonly kilobytes: number;
  kind(shape: WorldShape): ChangeKind;
}

const first = namespaceName(0);

const aims: readonly Aim[] = [
  { kind: () => endpointChange(first), changes: 200, p99Ms: 15, kilobytes: 1.9 },
  { kind: () => newServiceEntry(first), changes: 100, p99Ms: 40, kilobytes: 30 },
  { kind: appSidecarChange, changes: 100, p99Ms: 40, kilobytes: 9.4 },
  { kind: () => filterChange(first), changes: 100, p99Ms: 40, kilobytes: 130 },
  { kind: () => filterChange(), changes: 60, p99Ms: 400, kilobytes: 5200 },
];

/** A world with its control plane and proxies. */
interface Fleet extends Bed, AsyncDisposable {
  readonly shape: WorldShape;
  readonly sync: Row;
}

/** 400 proxies under Sidecars and EnvoyFilters in a large mesh, and in one of twice its size, which take turns. */
export async function measureFleet(context: BenchContext): Promise<Section[]> {
  const { quick, progress } = context;
  const base: WorldShape = { serviceEntries: quick ? 2_000 : 10_000, namespaces: quick ? 40 : 100, sidecars: true };
  const shapes = [base, { ...base, serviceEntries: 2 * base.serviceEntries, namespaces: 2 * base.namespaces }];
  progress('fleet: the worlds');
  await using fleets = new AsyncDisposableStack();
  // One after the other: a start takes a core, and a first sync two.
  const beds: Fleet[] = [];
  for (const shape of shapes) beds.push(fleets.use(await startFleet(shape, context)));
  const rows: Row[] = [];
  for (const { kind, changes, p99Ms, kilobytes } of aims) {
    const series = beds.map((bed) => new ChangeSeries(bed, kind(bed.shape)));
    progress(`fleet: ${kind(base).what}`);
    for (const each of series) await each.begin();
    for (let change = 0; change < (quick ? 10 : changes); change++) for (const each of series) await each.step();
    const results: SeriesResult[] = [];
    for (const each of series) results.push(await each.end());
    const smaller = results[0]!;
    for (const [index, result] of results.entries()) {
      const row = changeRow(`${kind(base).what}, ${named(shapes[index]!)}`, result, smaller);
      const targets = [
        { figure: 'P99 ms', below: p99Ms },
        { figure: 'sent KB', below: kilobytes },
      ];
      rows.push(index === 0 && !quick ? { ...row, targets } : row);
    }
  }
  const syncs: Row[] = [];
  for (const { sync, plane } of beds) {
    const { rssBytes, peakRssBytes } = await plane.usage();
    const figures = { ...sync.figures, 'later RSS MiB': rssBytes / mebibyte, 'peak RSS MiB': peakRssBytes / mebibyte };
    const isAimed = syncs.length === 0 && !quick;
    syncs.push({ what: sync.what, figures, ...(isAimed && { targets: [{ figure: 'peak RSS MiB', below: 600 }] }) });
  }
  return [
    {
      title: `${fleetProxies.length} proxies under Sidecars and EnvoyFilters: start and first sync`,
      notes: [
        `${worldOf(base)}; and twice that, for the same proxies. 200 classes of proxies, each app under a Sidecar of its own. Delta xDS.`,
        'Start: from the process being asked for to its being ready. First sync: all proxies connect at once; to the last one’s last ACK.',
        'Settled: from then until every status that the proxies have a part in is made, and the control plane has nothing to do.',
        'RSS: as it stands after the first sync, and after all the changes below.',
      ],
      rows: syncs,
    },
    {
      title: 'Changes that the proxies of a namespace, of one app, or all of them see',
      notes: [
        'P50, P99, max: from the mesh taking the change in to the last affected proxy’s last ACK. File P50, P99: from the rename of the file.',
        'EnvoyFilters with their trial: three proxies first, and the rest after their ACK. Strays: responses to proxies that the change does not affect.',
        'One change at a time, in turns in the two meshes. Ratios: to the smaller one.',
      ],
      rows,
    },
  ];
}

const mebibyte = 2 ** 20;

async function startFleet(shape: WorldShape, context: BenchContext): Promise<Fleet> {
  await using begun = new AsyncDisposableStack();
  const directory = begun.use(new WorldDirectory(fleetFiles(shape)));
  context.progress(`fleet: start, ${named(shape)}`);
  const plane = begun.use(await ControlPlane.start(directory.path, context));
  const clients = begun.use(startLoadClients());
  // The clients' process is up before the clock starts.
  await clients.call('sample', undefined);
  const [before, sentBefore, startedAtMs] = [await plane.usage(), await plane.sentBytes(), nowMs()];
  const syncedAtMs = await clients.call('connect', { address: plane.xdsAddress, shapes: fleetProxies });
  const after = await plane.usage();
  const sentBytes = (await plane.sentBytes()) - sentBefore;
  await plane.settled();
  const sync = {
    what: named(shape),
    figures: {
      'start s': plane.startMs / 1000,
      'sync s': (syncedAtMs - startedAtMs) / 1000,
      'sync CPU s': (after.cpuMs - before.cpuMs) / 1000,
      'sent MB': sentBytes / 1e6,
      'settled s': (nowMs() - syncedAtMs) / 1000,
      'RSS MiB': after.rssBytes / mebibyte,
    },
  };
  const rest = begun.move();
  return { shape, sync, directory, plane, clients, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

function changeRow(what: string, result: SeriesResult, smaller: SeriesResult): Row {
  const { proxies, fromFile, fromMesh, bytesPerChange, cpuMsPerChange, strays } = result;
  const isSmaller = result === smaller;
  return {
    what,
    figures: {
      affected: proxies,
      'P50 ms': fromMesh.p50,
      'P99 ms': fromMesh.p99,
      'max ms': fromMesh.max,
      'file P50 ms': fromFile.p50,
      'file P99 ms': fromFile.p99,
      'sent KB': bytesPerChange / 1000,
      strays,
      'CPU ms': cpuMsPerChange,
      ...(!isSmaller && {
        'ratio of P50': fromMesh.p50 / smaller.fromMesh.p50,
        'ratio of bytes': bytesPerChange / smaller.bytesPerChange,
        'ratio of CPU': cpuMsPerChange / smaller.cpuMsPerChange,
      }),
    },
  };
}

function named({ serviceEntries }: WorldShape): string {
  return `${serviceEntries.toLocaleString('en')} services`;
}

function worldOf({ serviceEntries, namespaces }: WorldShape): string {
  const [services, sidecars, filters] = [serviceEntries, 95 * namespaces, 5 * namespaces].map((each) =>
    each.toLocaleString('en'),
  );
  return `${services} ServiceEntries, ${sidecars} Sidecars and ${filters} EnvoyFilters in ${namespaces} namespaces`;
}
