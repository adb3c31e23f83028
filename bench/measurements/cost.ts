import { endpointChange } from '../change-kinds.ts';
import { type Bed, ChangeSeries, type SeriesResult } from '../change-series.ts';
import { type BenchContext, ControlPlane, startLoadClients } from '../control-plane.ts';
import type { Section } from '../report.ts';
import { WorldDirectory, worldFiles } from '../world-directory.ts';
import { spreadProxies } from '../worlds.ts';
import { scopedShape } from './changes.ts';

const proxies = 50;

/** The same change to the same proxies in a mesh and in one of twice its size, taking turns, so that noise hits both. */
export async function measureCost(context: BenchContext): Promise<Section> {
  const double = { ...scopedShape, serviceEntries: 2 * scopedShape.serviceEntries, namespaces: 2 * scopedShape.namespaces };
  using directory = new WorldDirectory(worldFiles(scopedShape));
  using doubleDirectory = new WorldDirectory(worldFiles(double));
  await using plane = await ControlPlane.start(directory.path, context);
  await using doublePlane = await ControlPlane.start(doubleDirectory.path, context);
  await using clients = startLoadClients();
  await using doubleClients = startLoadClients();
  const beds: Bed[] = [
    { directory, plane, clients },
    { directory: doubleDirectory, plane: doublePlane, clients: doubleClients },
  ];
  const series: ChangeSeries[] = [];
  for (const bed of beds) {
    await bed.clients.call('connect', { address: bed.plane.xdsAddress, shapes: spreadProxies(proxies, scopedShape.namespaces) });
    const each = new ChangeSeries(bed, endpointChange());
    await each.begin();
    series.push(each);
  }
  const changes = context.quick ? 15 : 150;
  for (let change = 0; change < changes; change++) for (const each of series) await each.step();
  const results: SeriesResult[] = [];
  for (const each of series) results.push(await each.end());
  const [base, twice] = results as [SeriesResult, SeriesResult];
  return {
    title: 'Cost follows the change',
    notes: [
      `One endpoint, ${proxies} proxies that see the same in both meshes. Two control planes take turns, change by change.`,
      'Ratio: to the smaller mesh; 1 is a cost that does not know how large the mesh is.',
    ],
    rows: results.map((result, index) => ({
      what: `${[scopedShape, double][index]!.serviceEntries.toLocaleString('en')} ServiceEntries`,
      figures: {
        proxies,
        'P50 ms': result.fromFile.p50,
        'mesh P50 ms': result.fromMesh.p50,
        'ratio of P50': result === twice ? twice.fromFile.p50 / base.fromFile.p50 : 1,
        'CPU ms': result.cpuMsPerChange,
        'ratio of CPU': result === twice ? twice.cpuMsPerChange / base.cpuMsPerChange : 1,
      },
    })),
  };
}
