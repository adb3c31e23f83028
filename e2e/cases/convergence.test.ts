import { afterEach, describe, expect, it } from 'vitest';
import { startLoad } from '../env/client.ts';
import { runWeft, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import type { Envoy } from '../env/envoy.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { type MeshObject, serviceEntry, sidecar, staticHost, workloadEntry } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

const edits = 30;

/** A generator of whole numbers below a limit that gives the same sequence for the same seed (mulberry32). */
const createRandom = (seed: number) => {
  let state = seed;
  return (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
};

interface Versioned {
  version_info?: string;
  cluster?: { name: string };
  route_config?: { name: string };
  name?: string;
  active_state?: { listener?: object };
}

/** JSON that is the same for the same contents. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );

/**
 * A listener is compared by what it says: where only filter chains differ, Envoy 1.40 updates it in place and goes on reporting the
 * version from before.
 */
const listenerLine = (name: string, { '@type': _, ...listener }: Record<string, unknown>) =>
  `listener ${name} ${canonical(listener)}`;

/** What Envoy holds: `TYPE NAME VERSION`, sorted; of a listener its contents. State of the world has one version for all, which is left out. */
const heldBy = async (envoy: Envoy, withVersions: boolean): Promise<string[]> => {
  const { configs } = await envoy.configDump();
  const held: string[] = [];
  const add = (type: string, name: string, version: string | undefined) =>
    held.push([type, name, ...(withVersions ? [version] : [])].join(' '));
  for (const config of configs as Record<string, Versioned[] | undefined>[]) {
    for (const { cluster, version_info } of config.dynamic_active_clusters ?? []) add('cluster', cluster!.name, version_info);
    for (const { cluster, version_info } of config.dynamic_warming_clusters ?? [])
      add('warming cluster', cluster!.name, version_info);
    for (const { name, active_state } of config.dynamic_listeners ?? [])
      if (active_state?.listener) held.push(listenerLine(name!, { ...active_state.listener }));
  }
  const listeners = JSON.stringify(
    configs
      .flatMap((config) => (config as { dynamic_listeners?: Versioned[] }).dynamic_listeners ?? [])
      .map(({ active_state }) => active_state ?? {}),
  );
  for (const config of configs as Record<string, Versioned[] | undefined>[]) {
    for (const { route_config, version_info } of config.dynamic_route_configs ?? []) {
      // A listener that drains keeps its routes.
      if (listeners.includes(`"route_config_name":"${route_config!.name}"`)) add('route', route_config!.name, version_info);
    }
  }
  return held.sort();
};

describe.skipIf((await findEnvoy()) === undefined).each([
  { mode: 'delta', seed: 1 },
  { mode: 'delta', seed: 2 },
  { mode: 'sotw', seed: 3 },
] as const)(`${edits} random edits in quick succession, $mode, seed $seed`, ({ mode, seed }) => {
  it('end with the proxy holding what the files say', async () => {
    const random = createRandom(seed);
    const echo = await keep(startEcho());
    const ports = await Promise.all(Array.from({ length: 3 }, freePort));
    const steady = await freePort();
    const at = [{ address: '127.0.0.1', port: echo.port }];
    const stays = serviceEntry('stays', staticHost('stays.example.com', { number: steady, protocol: 'HTTP' }, at));
    const plane = await keep(startControlPlane({ files: { 'stays.yaml': [stays] } }));
    const envoy = await keep(startProxy({ plane, mode, identity: { interceptionMode: 'NONE', labels: { app: 'client' } } }));
    await plane.waitReady(stays, { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${steady}`, host: 'stays.example.com' }, { concurrency: 2, pauseMs: 5 }));

    const pick = <T>(items: readonly T[]): T => items[random(items.length)]!;
    const anyEntry = (): MeshObject => {
      const index = random(6);
      const protocol = pick(['HTTP', 'HTTP', 'TCP', 'GRPC', 'TLS', '']);
      const endpoints = Array.from({ length: random(3) }, () => ({
        address: `127.0.0.${1 + random(5)}`,
        port: 1000 + random(9),
      }));
      const host = pick([`host-${index}.example.com`, `host-${random(6)}.example.com`, `*.wild-${index}.example.com`]);
      const spec = staticHost(host, { number: pick(ports), protocol }, endpoints);
      // Which of two claims is older must not depend on when the control plane saw them first.
      const entry = (changes: object) =>
        serviceEntry(`entry-${index}`, { ...spec, ...changes }, { creationTimestamp: `2025-01-0${1 + index}T00:00:00Z` });
      switch (random(6)) {
        case 0:
          return entry({ endpoints: undefined, workloadSelector: { labels: { app: 'x' } } });
        case 1:
          return entry({ endpoints: undefined, resolution: 'NONE' });
        case 2:
          return entry(host.startsWith('*') ? {} : { resolution: 'DNS' });
        default:
          return entry({});
      }
    };
    const anyWorkload = () =>
      workloadEntry(`workload-${random(3)}`, { address: `127.0.0.${1 + random(9)}`, labels: { app: pick(['x', 'y']) } });
    const anySidecar = () =>
      sidecar('scope', {
        ...(random(2) ? { workloadSelector: { labels: { app: 'client' } } } : {}),
        egress: [
          {
            hosts: pick([['*/*'], ['./stays.example.com', './host-1.example.com'], ['*/*.example.com', '~*/host-2.example.com']]),
          },
        ],
      });
    const files = new Set<string>();
    for (let edit = 0; edit < edits; edit++) {
      const object = pick([anyEntry, anyEntry, anyEntry, anyWorkload, anySidecar])();
      const file = `${object.kind}-${object.name}.yaml`;
      if (files.has(file) && random(3) === 0) {
        files.delete(file);
        await plane.remove(file);
      } else {
        files.add(file);
        await plane.write(file, [object]);
      }
      if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(40)));
    }

    const args = ['translate', plane.folder, '--proxy', 'default/client-1', '--label', 'app=client', '--interception', 'NONE'];
    const translated = await runWeft([...args, '-o', 'json', '--type', 'all']);
    expect(translated).toMatchObject({ code: 0 });
    interface Config {
      [typeUrl: string]: { name: string; version: string; resource: Record<string, unknown> }[];
    }
    const wanted = (JSON.parse(translated.stdout) as unknown[]).map((resource) => JSON.stringify(resource)).sort();
    const config = await eventually('the control plane to serve what the files say', async () => {
      const served = await plane.get<Config>('/config/default/client-1');
      const resources = Object.values(served)
        .flat()
        .map(({ resource }) => JSON.stringify(resource));
      expect(resources.sort()).toEqual(wanted);
      return served;
    });
    const names = Object.entries(config)
      .filter(([typeUrl]) => !typeUrl.endsWith('ClusterLoadAssignment'))
      .flatMap(([typeUrl, resources]) => {
        const type = { Cluster: 'cluster', Listener: 'listener', RouteConfiguration: 'route' }[typeUrl.split('.').pop()!]!;
        if (type === 'listener') return resources.map(({ name, resource }) => listenerLine(name, resource));
        return resources.map(({ name, version }) => [type, name, ...(mode === 'delta' ? [version] : [])].join(' '));
      });
    await eventually('Envoy to hold it', async () => {
      expect(await heldBy(envoy, mode === 'delta')).toEqual(names.sort());
      return true;
    });
    expect((await plane.proxies())[0]!.types.map(({ state }) => state)).toEqual([
      'synced',
      'synced',
      'synced',
      'synced',
      'not subscribed',
    ]);
    expect((await load.stop()).failed).toBe(0);
  });
});
