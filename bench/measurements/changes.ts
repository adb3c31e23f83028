import { type ChangeKind, endpointChange, newServiceEntry, sidecarChange } from '../change-kinds.ts';
import { type Bed, ChangeSeries, type SeriesResult } from '../change-series.ts';
import { type BenchContext, ControlPlane, startLoadClients } from '../control-plane.ts';
import type { Row, Section } from '../report.ts';
import { WorldDirectory, worldFiles } from '../world-directory.ts';
import { spreadProxies } from '../worlds.ts';
import { type Floor, measureFloor } from './floor.ts';

/** The world of the change measurements: each proxy sees a hundred hosts of its namespace and the shared ones. */
export const scopedShape = { serviceEntries: 2000, namespaces: 20, sidecars: true };

const movingEndpoint = endpointChange();

/** From a file's change to the last acknowledgement, and beside it what a bare server takes for the same bytes. */
export async function measureChanges(context: BenchContext): Promise<Section[]> {
  const { quick } = context;
  using directory = new WorldDirectory(worldFiles(scopedShape));
  await using plane = await ControlPlane.start(directory.path, context);
  await using clients = startLoadClients();
  const bed: Bed = { directory, plane, clients };
  const rows: Row[] = [];
  const floors: Row[] = [];
  let connected = 0;
  for (const count of quick ? [1, 200] : [1, 50, 200]) {
    await clients.call('connect', {
      address: plane.xdsAddress,
      shapes: spreadProxies(count - connected, scopedShape.namespaces, connected),
    });
    connected = count;
    for (const kind of [movingEndpoint, newServiceEntry(), sidecarChange(scopedShape)]) {
      context.progress(`${kind.what}, ${count} proxies`);
      const result = await runSeries(bed, kind, quick ? 8 : kind === movingEndpoint ? 200 : 60);
      const row = changeRow(kind.what, count, result);
      const hasTarget = kind === movingEndpoint && count === 200;
      rows.push(hasTarget ? { ...row, targets: [{ figure: 'P99 ms', below: 100 }] } : row);
      if (count < 200) continue;
      const floor = await measureFloor(result, quick ? 20 : 100);
      floors.push(...floorRows(kind.what, result, floor));
    }
  }
  return [
    {
      title: 'From a change to the last acknowledgement',
      notes: [
        '2,000 ServiceEntries in 20 namespaces, a Sidecar each: a proxy sees 100 hosts of its namespace and the shared ones. Delta xDS.',
        'P50, P99, max: from the rename of the file to the last affected proxy’s last ACK. Mesh P50, P99: from the mesh taking the change in.',
        'One change at a time, the control plane idle before each. KB: all affected proxies together. CPU: of the control plane, for one change.',
      ],
      rows,
    },
    {
      title: 'Beside the floor: a bare gRPC server that pushes the same bytes',
      notes: [
        'The floor writes the responses that one proxy was sent for the change to as many streams, on a timer, and does nothing else. Same clients, same rhythm.',
        'Ratio: the P50 of Weft, from the mesh taking the change in, to the P50 of the floor.',
      ],
      rows: floors,
    },
  ];
}

/** Makes a number of changes of one kind. */
async function runSeries(bed: Bed, kind: ChangeKind, changes: number): Promise<SeriesResult> {
  const series = new ChangeSeries(bed, kind);
  await series.begin();
  for (let change = 0; change < changes; change++) await series.step();
  return series.end();
}

function changeRow(what: string, connected: number, result: SeriesResult): Row {
  const { proxies, fromFile, fromMesh, bytesPerChange, cpuMsPerChange } = result;
  return {
    what,
    figures: {
      proxies: connected,
      affected: proxies,
      'P50 ms': fromFile.p50,
      'P99 ms': fromFile.p99,
      'max ms': fromFile.max,
      'mesh P50 ms': fromMesh.p50,
      'mesh P99 ms': fromMesh.p99,
      'sent KB': bytesPerChange / 1000,
      'B/proxy': Math.round(bytesPerChange / proxies),
      'CPU ms': cpuMsPerChange,
    },
  };
}

function floorRows(what: string, { proxies, fromFile, fromMesh, cpuMsPerChange }: SeriesResult, floor: Floor): Row[] {
  const { p50, p99, max } = floor.latency;
  return [
    {
      what: `${what}: bare server`,
      figures: { proxies, 'P50 ms': p50, 'P99 ms': p99, 'max ms': max, ratio: 1, 'CPU ms': floor.cpuMs },
    },
    {
      what: `${what}: Weft, from the mesh`,
      figures: {
        proxies,
        'P50 ms': fromMesh.p50,
        'P99 ms': fromMesh.p99,
        'max ms': fromMesh.max,
        ratio: fromMesh.p50 / p50,
        'CPU ms': cpuMsPerChange,
      },
    },
    {
      what: `${what}: Weft, from the file`,
      figures: { proxies, 'P50 ms': fromFile.p50, 'P99 ms': fromFile.p99, 'max ms': fromFile.max, ratio: fromFile.p50 / p50 },
    },
  ];
}
