import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeCall, startLoad } from '../env/client.ts';
import { conditionOf, startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, staticHost, workloadEntry } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

const identity = { interceptionMode: 'NONE' } as const;
const namesSeen = async (port: number, host: string) => {
  const calls = Array.from({ length: 20 }, () => makeCall({ to: `127.0.0.1:${port}`, host }));
  return [...new Set((await Promise.all(calls)).map(({ echo, status, error }) => echo?.name ?? (status || error)))].sort();
};

describe.skipIf((await findEnvoy()) === undefined).each(['delta', 'sotw'] as const)('endpoints, %s', (mode) => {
  it('may be unix sockets', async () => {
    const path = join(tmpdir(), `weft-endpoint-${process.pid}.sock`);
    await keep(startEcho({ name: 'socket', listen: `unix:${path}` }));
    const port = await freePort();
    const plane = await keep(
      startControlPlane({
        files: {
          'socket.yaml': [
            serviceEntry(
              'socket',
              staticHost('socket.example.com', { number: port, protocol: 'HTTP' }, [{ address: `unix://${path}` }]),
            ),
          ],
        },
      }),
    );
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady({ kind: 'ServiceEntry', namespace: 'default', name: 'socket' }, { affected: 1 });
    expect(await namesSeen(port, 'socket.example.com')).toEqual(['socket']);
  });

  it('are the WorkloadEntries that a selector picks, as they come and go', async () => {
    const [one, two] = [await keep(startEcho({ name: 'one' })), await keep(startEcho({ name: 'two' }))];
    const port = await freePort();
    const cart = serviceEntry('cart', {
      hosts: ['cart.example.com'],
      ports: [{ number: port, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      workloadSelector: { labels: { app: 'cart' } },
    });
    const workload = (echo: typeof one, app = 'cart') => [
      workloadEntry(echo.name, { address: '127.0.0.1', ports: { http: echo.port }, labels: { app } }),
    ];
    const plane = await keep(startControlPlane({ files: { 'cart.yaml': [cart], 'one.yaml': workload(one) } }));
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(cart, { affected: 1 });
    expect(await namesSeen(port, 'cart.example.com')).toEqual(['one']);

    await plane.apply('two.yaml', workload(two), { affected: 1 });
    expect(await namesSeen(port, 'cart.example.com')).toEqual(['one', 'two']);
    await plane.write('one.yaml', workload(one, 'basket'));
    await eventually(
      'the workload of another label to leave',
      async () => (await namesSeen(port, 'cart.example.com')).join() === 'two',
    );
    await plane.remove('two.yaml');
    await plane.waitForStatus(
      'to find no workload',
      cart,
      (status) => conditionOf(status, 'ResolvedRefs') === 'False NoMatchingWorkloads',
    );
    await eventually('no endpoint to be left', async () => (await namesSeen(port, 'cart.example.com')).join() === '503');
    await plane.apply('two.yaml', workload(two), { affected: 1 });
    expect(await namesSeen(port, 'cart.example.com')).toEqual(['two']);
    expect(conditionOf(await plane.status(cart), 'ResolvedRefs')).toBe('True ResolvedRefs');
  });

  it('move under load, with no request failed', async () => {
    const echoes = await Promise.all(['one', 'two', 'three'].map((name) => keep(startEcho({ name }))));
    const port = await freePort();
    const served = (...by: typeof echoes) => [
      serviceEntry(
        'moving',
        staticHost(
          'moving.example.com',
          { number: port, protocol: 'HTTP' },
          by.map((echo) => ({ address: '127.0.0.1', port: echo.port })),
        ),
      ),
    ];
    const plane = await keep(startControlPlane({ files: { 'moving.yaml': served(echoes[0]!) } }));
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(served()[0]!, { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${port}`, host: 'moving.example.com' }));
    for (let move = 0; move < 8; move++) {
      const [from, to] = [echoes[move % 3]!, echoes[(move + 1) % 3]!];
      await plane.apply('moving.yaml', served(from, to), { affected: 1 });
      await plane.apply('moving.yaml', served(to), { affected: 1 });
      const before = (await load.result()).outcomes[to.name] ?? 0;
      await eventually(`${to.name} to answer`, async () => ((await load.result()).outcomes[to.name] ?? 0) > before);
    }
    const { sent, failed, outcomes } = await load.stop();
    expect({ failed, outcomes }).toEqual({
      failed: 0,
      outcomes: { one: expect.any(Number), two: expect.any(Number), three: expect.any(Number) },
    });
    expect(sent).toBeGreaterThan(20);
  });

  it('change their resolution and port under load, with no request failed', async () => {
    const [one, two] = [await keep(startEcho({ name: 'one' })), await keep(startEcho({ name: 'two' }))];
    const port = await freePort();
    const spec = (resolution: 'STATIC' | 'DNS', echo: typeof one, protocol = 'HTTP') => [
      serviceEntry('turning', {
        ...staticHost('turning.example.com', { number: port, protocol }, [{ address: '127.0.0.1', port: echo.port }]),
        resolution,
      }),
    ];
    const plane = await keep(startControlPlane({ files: { 'turning.yaml': spec('STATIC', one) } }));
    await keep(startProxy({ plane, mode, identity }));
    await plane.waitReady(spec('STATIC', one)[0]!, { affected: 1 });
    const load = await keep(startLoad({ to: `127.0.0.1:${port}`, host: 'turning.example.com' }));
    for (const turn of [
      spec('DNS', one),
      spec('DNS', two),
      spec('STATIC', two),
      spec('STATIC', one),
      spec('STATIC', one, ''),
      spec('STATIC', one),
    ]) {
      await plane.apply('turning.yaml', turn, { affected: 1 });
      const before = (await load.result()).sent;
      await eventually('the load to go on', async () => (await load.result()).sent > before + 20);
    }
    const { failed, outcomes } = await load.stop();
    expect({ failed, outcomes }).toEqual({ failed: 0, outcomes: { one: expect.any(Number), two: expect.any(Number) } });
  });

  it('go with their host: its cluster, listener and route leave, and the others never notice', async () => {
    const echo = await keep(startEcho({ name: 'stays' }));
    const [shared, own] = [await freePort(), await freePort()];
    const at = [{ address: '127.0.0.1', port: echo.port }];
    const plane = await keep(
      startControlPlane({
        files: {
          'stays.yaml': [serviceEntry('stays', staticHost('stays.example.com', { number: shared, protocol: 'HTTP' }, at))],
          'goes.yaml': [
            serviceEntry('goes', {
              ...staticHost('goes.example.com', { number: shared, protocol: 'HTTP' }, at),
              ports: [
                { number: shared, name: 'main', protocol: 'HTTP' },
                { number: own, name: 'own', protocol: 'HTTP', targetPort: echo.port },
              ],
            }),
          ],
        },
      }),
    );
    const envoy = await keep(startProxy({ plane, mode, identity }));
    const goes = { kind: 'ServiceEntry', namespace: 'default', name: 'goes' } as const;
    await plane.waitReady(goes, { affected: 1 });
    const ask = async (port: number, host: string) => {
      const answer = await makeCall({ to: `127.0.0.1:${port}`, host });
      return answer.status || answer.error;
    };
    expect([await ask(shared, 'goes.example.com'), await ask(own, 'goes.example.com')]).toEqual([200, 200]);
    const load = await keep(startLoad({ to: `127.0.0.1:${shared}`, host: 'stays.example.com' }));
    await plane.remove('goes.yaml');
    await eventually('the host to be unknown', async () => (await ask(shared, 'goes.example.com')) === 502);
    await eventually('its own listener to go', async () => (await ask(own, 'goes.example.com')) === 'ECONNREFUSED');
    // A listener that drains keeps its routes: what is active is what counts.
    for (const kind of ['dynamic_active_clusters', 'dynamic_endpoint_configs']) {
      await eventually(
        `${kind} to forget it`,
        async () => !JSON.stringify(await envoy.configDump(kind)).includes('goes.example.com'),
      );
      expect(JSON.stringify(await envoy.configDump(kind))).toContain('stays.example.com');
    }
    expect(await plane.status(goes)).toBeUndefined();
    const { failed } = await load.stop();
    expect(failed).toBe(0);
  });
});
