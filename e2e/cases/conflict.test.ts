import { afterEach, describe, expect, it } from 'vitest';
import { makeCall, startLoad } from '../env/client.ts';
import { conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined)('two ServiceEntries that claim one host', () => {
  it('the older serves, the other names it, and takes over when it goes, with no request failed', async () => {
    const [older, newer] = [await keep(startEcho({ name: 'older' })), await keep(startEcho({ name: 'newer' }))];
    const port = await freePort();
    const claim = (name: string, echo: typeof older, creationTimestamp: string) =>
      serviceEntry(
        name,
        staticHost('claimed.example.com', { number: port, protocol: 'HTTP' }, [{ address: '127.0.0.1', port: echo.port }]),
        {
          creationTimestamp,
        },
      );
    // Named so that the order of names is not that of age.
    const first = claim('z-older', older, '2025-01-01T00:00:00Z');
    const second = claim('a-newer', newer, '2025-01-02T00:00:00Z');
    const plane = await keep(startControlPlane({ files: { 'second.yaml': [second] } }));
    await keep(startProxy({ plane, identity: { interceptionMode: 'NONE' } }));
    await plane.waitReady(second, { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${port}`, host: 'claimed.example.com' }, { concurrency: 2, pauseMs: 5 }));
    const answeredBy = async () => (await makeCall({ to: `127.0.0.1:${port}`, host: 'claimed.example.com' })).echo?.name;
    expect(await answeredBy()).toBe('newer');

    await plane.apply('first.yaml', [first], { affected: 1 });
    await eventually('the older to answer', async () => (await answeredBy()) === 'older');
    const lost = await plane.waitForStatus(
      'to be in conflict',
      second,
      (status) => conditionOf(status, 'Accepted') === 'False Conflicted',
    );
    expect(lost.conditions?.find(({ type }) => type === 'Accepted')?.message).toContain('ServiceEntry default/z-older');
    expect(conditionOf(lost, 'Ready')).toBe('False NotAccepted');

    await plane.remove('first.yaml');
    await plane.waitReady(second, { affected: 1 });
    await eventually('the newer to answer again', async () => (await answeredBy()) === 'newer');
    expect(await plane.status(first)).toBeUndefined();
    expect((await load.stop()).failed).toBe(0);
  });
});
