import { nowMs } from '../clock.ts';
import { type BenchContext, ControlPlane, startLoadClients } from '../control-plane.ts';
import type { Row, Section } from '../report.ts';
import { WorldDirectory, worldFiles } from '../world-directory.ts';
import { spreadProxies } from '../worlds.ts';
import { scopedShape } from './changes.ts';

const proxies = 200;

/** 200 proxies that come at once: after a start of the control plane, and once more when its code is warm. */
export async function measureFirstSync(context: BenchContext): Promise<Section> {
  using directory = new WorldDirectory(worldFiles(scopedShape));
  await using plane = await ControlPlane.start(directory.path, context);
  const rows: Row[] = [];
  for (const what of context.quick ? ['first'] : ['first', 'second, all classes made anew', 'third']) {
    context.progress(`first sync: ${what}`);
    await using clients = startLoadClients();
    // The clients' process is up before the clock starts.
    await clients.call('sample', undefined);
    const [usage, sentBytes, startedAtMs] = [await plane.usage(), await plane.sentBytes(), nowMs()];
    const syncedAtMs = await clients.call('connect', {
      address: plane.xdsAddress,
      shapes: spreadProxies(proxies, scopedShape.namespaces),
    });
    const after = await plane.usage();
    rows.push({
      what,
      figures: {
        proxies,
        'took s': (syncedAtMs - startedAtMs) / 1000,
        'sent MB': ((await plane.sentBytes()) - sentBytes) / 1e6,
        'CPU s': (after.cpuMs - usage.cpuMs) / 1000,
        'RSS MiB': after.rssBytes / 2 ** 20,
      },
    });
  }
  return {
    title: 'First sync',
    notes: [
      'The same world as above. 200 delta proxies connect at once; took: to the last one having acknowledged all clusters, endpoints, listeners and routes.',
      'The simulated proxies share the machine: their side is most of the time.',
    ],
    rows,
  };
}
