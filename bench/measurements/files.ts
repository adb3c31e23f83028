import { type BenchContext, ControlPlane, startLoadClients } from '../control-plane.ts';
import type { Usage } from '../processes/observed.ts';
import type { Row, Section } from '../report.ts';
import { WorldDirectory, worldFiles } from '../world-directory.ts';
import { spreadProxies } from '../worlds.ts';

const mebibyte = 2 ** 20;

/** Start on a large directory, and the memory that it takes with a proxy that sees all of it. */
export async function measureFiles(context: BenchContext): Promise<Section> {
  const shape = { serviceEntries: context.quick ? 2000 : 10_000, namespaces: context.quick ? 20 : 100, sidecars: false };
  using directory = new WorldDirectory(worldFiles(shape));
  await using plane = await ControlPlane.start(directory.path, context);
  const ready = await plane.usage();
  const readyCollected = await plane.usage(true);
  await using clients = startLoadClients();
  const connectedBytes = await plane.sentBytes();
  const before = performance.now();
  await clients.call('connect', { address: plane.xdsAddress, shapes: spreadProxies(1, 1) });
  const syncMs = performance.now() - before;
  const synced = await plane.usage();
  const syncedCollected = await plane.usage(true);
  const sentBytes = (await plane.sentBytes()) - connectedBytes;
  return {
    title: `${shape.serviceEntries.toLocaleString('en')} ServiceEntries in ${shape.namespaces} files`,
    notes: [
      'Start: from the process being asked for to its being ready for proxies.',
      'Sync: one proxy with Istio’s default scope, which sees every host. Memory after a garbage collection; peak: the most the process ever had.',
    ],
    rows: [
      row('start to ready', plane.startMs, ready.cpuMs, readyCollected),
      {
        ...row('one proxy of the default class in sync', syncMs, synced.cpuMs - readyCollected.cpuMs, syncedCollected),
        ...(context.quick ? {} : { targets: [{ figure: 'RSS MiB', below: 400 }] }),
      },
      { what: 'sent to it', figures: { 'MiB sent': sentBytes / mebibyte } },
    ],
  };
}

function row(what: string, tookMs: number, cpuMs: number, usage: Usage): Row {
  return {
    what,
    figures: {
      'took s': tookMs / 1000,
      'CPU s': cpuMs / 1000,
      'RSS MiB': usage.rssBytes / mebibyte,
      'heap MiB': usage.heapUsedBytes / mebibyte,
      'external MiB': usage.externalBytes / mebibyte,
      'peak RSS MiB': usage.peakRssBytes / mebibyte,
    },
  };
}
