import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { makeCall, startLoad } from '../env/client.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

const identity = { interceptionMode: 'NONE' } as const;
const messages = [
  'cluster.v3.Cluster',
  'endpoint.v3.ClusterLoadAssignment',
  'listener.v3.Listener',
  'route.v3.RouteConfiguration',
];

describe.skipIf((await findEnvoy()) === undefined)('a restart of the control plane', () => {
  it.each([
    { mode: 'delta', signal: 'SIGTERM' },
    { mode: 'delta', signal: 'SIGKILL' },
    { mode: 'sotw', signal: 'SIGTERM' },
  ] as const)('stops no traffic, and changes nothing that did not change ($mode, $signal)', async ({ mode, signal }) => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const ports = await Promise.all([freePort(), freePort(), freePort()]);
    const host = (name: string, port: number) =>
      serviceEntry(
        name,
        staticHost(`${name}.example.com`, { number: port, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: echo.port }]),
      );
    const [stays, goes, comes] = [host('stays', ports[0]), host('goes', ports[1]), host('comes', ports[2])];
    const plane = await keep(startControlPlane({ files: { 'stays.yaml': [stays], 'goes.yaml': [goes] } }));
    const envoy = await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(stays, { affected: 1 });
    await plane.waitReady(goes, { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${ports[0]}`, host: 'stays.example.com' }));
    const applied = () =>
      envoy.stats('^(cluster_manager\\.cluster_(added|modified|removed)|listener_manager\\.listener_(added|modified|removed))$');
    const before = await applied();

    await plane.halt(signal);
    await envoy.waitForStat('control_plane.connected_state', (value) => value === 0);
    const sentBefore = (await load.result()).sent;
    await eventually('the load to go on', async () => (await load.result()).sent > sentBefore + 50);
    await plane.resume();
    await plane.waitReady(stays, { affected: 1 });
    await plane.waitReady(goes, { affected: 1 });
    // Late answers would come within this time.
    await sleep(300);
    expect(await applied()).toEqual(before);
    const bytesOf = (message: string) =>
      plane.metric('pilot_xds_config_size_bytes_sum', `{type="type.googleapis.com/envoy.config.${message}"}`);
    const bytes = await Promise.all(messages.map(bytesOf));
    // The two wildcards are answered, with nothing in it, so that the proxy stops waiting.
    const empty = expect.toSatisfy((size: number) => size > 0 && size < 100);
    if (mode === 'delta') expect(bytes).toEqual([empty, 0, empty, 0]);
    else expect(bytes.every((size) => size > 100)).toBe(true);

    await plane.halt(signal);
    await plane.remove('goes.yaml');
    await plane.write('comes.yaml', [comes]);
    await plane.resume();
    await plane.waitReady(comes, { affected: 1 });
    expect((await makeCall({ to: `127.0.0.1:${ports[2]}`, host: 'comes.example.com' })).echo?.name).toBe('echo');
    await eventually('what was removed meanwhile to go', async () => {
      const clusters = JSON.stringify(await envoy.configDump('dynamic_active_clusters'));
      const { error } = await makeCall({ to: `127.0.0.1:${ports[1]}` });
      return !clusters.includes('goes.example.com') && error === 'ECONNREFUSED';
    });
    const { failed, sent } = await load.stop();
    expect(failed).toBe(0);
    expect(sent).toBeGreaterThan(20);
  });
});
