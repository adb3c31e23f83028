import { afterEach, describe, expect, it } from 'vitest';
import { makeCall, startLoad } from '../env/client.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { serviceEntry, sidecar, staticHost } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined).each(['delta', 'sotw'] as const)('a Sidecar that appears, %s', (mode) => {
  it('narrows what its proxies reach under load, with no request failed to what stays, and widens it again', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const [shared, own] = [await freePort(), await freePort()];
    const at = [{ address: '127.0.0.1', port: echo.port }];
    const http = { number: shared, protocol: 'HTTP' };
    const plane = await keep(
      startControlPlane({
        files: {
          'hosts.yaml': [
            serviceEntry('shop/in-scope', staticHost('in-scope.example.com', http, at)),
            serviceEntry('shop/left-out', staticHost('left-out.example.com', http, at)),
            serviceEntry('far/foreign', staticHost('foreign.example.com', { number: own, protocol: 'HTTP' }, at)),
          ],
        },
      }),
    );
    const identity = { namespace: 'shop', labels: { app: 'cart' }, interceptionMode: 'NONE' } as const;
    const [envoy, other] = [
      await keep(startProxy({ plane, mode, identity })),
      await keep(startProxy({ plane, mode, identity: { pod: 'other-1', namespace: 'elsewhere', interceptionMode: 'REDIRECT' } })),
    ];
    for (const path of ['shop/in-scope', 'shop/left-out']) {
      const [namespace, name] = path.split('/') as [string, string];
      await plane.waitReady({ kind: 'ServiceEntry', namespace, name }, { affected: 2 });
    }
    const ask = async (port: number, host: string) => {
      const answer = await makeCall({ to: `127.0.0.1:${port}`, host });
      return answer.status || answer.error;
    };
    const load = await keep(startLoad({ to: `127.0.0.1:${shared}`, host: 'in-scope.example.com' }));
    const otherUpdates = async () =>
      (await other.stats('^cluster_manager\\.cds\\.update_success$'))['cluster_manager.cds.update_success'];
    const before = await otherUpdates();

    for (let round = 0; round < 3; round++) {
      expect([await ask(shared, 'left-out.example.com'), await ask(own, 'foreign.example.com')]).toEqual([200, 200]);
      const narrow = sidecar('shop/cart', {
        workloadSelector: { labels: { app: 'cart' } },
        egress: [{ hosts: ['./in-scope.example.com'] }],
      });
      await plane.apply('sidecar.yaml', [narrow], { affected: 1 });
      expect(await ask(shared, 'left-out.example.com')).toBe(502);
      expect(await ask(own, 'foreign.example.com')).toBe('ECONNREFUSED');
      expect(JSON.stringify(await envoy.configDump('dynamic_active_clusters'))).not.toContain('left-out.example.com');
      expect((await plane.status(narrow))?.propagation).toMatchObject({ affected: 1, acked: 1 });

      await plane.remove('sidecar.yaml');
      await eventually('everything to be reached again', async () => {
        const answers = [await ask(shared, 'left-out.example.com'), await ask(own, 'foreign.example.com')];
        return answers.join() === '200,200';
      });
    }
    expect(await otherUpdates()).toBe(before);
    const { sent, failed } = await load.stop();
    expect(failed).toBe(0);
    expect(sent).toBeGreaterThan(20);
  });

  it('may bind the port of a redirected listener and let go of it again: Envoy lives on', async () => {
    const echo = await keep(startEcho({ name: 'echo' }));
    const port = await freePort();
    const http = { number: port, protocol: 'HTTP' };
    const api = serviceEntry('api', staticHost('api.example.com', http, [{ address: '127.0.0.1', port: echo.port }]));
    const plane = await keep(startControlPlane({ files: { 'api.yaml': [api] } }));
    const envoy = await keep(startProxy({ plane, mode, identity: { interceptionMode: 'REDIRECT' } }));
    await plane.waitReady(api, { affected: 1 });
    const binding = sidecar('binding', {
      egress: [{ port: { ...http, name: 'out' }, bind: '0.0.0.0', captureMode: 'NONE', hosts: ['*/*'] }],
    });
    const ask = async () => {
      const { echo: answer, error } = await makeCall({ to: `127.0.0.1:${port}`, host: 'api.example.com' });
      return answer?.name ?? error;
    };
    for (let round = 0; round < 3; round++) {
      expect(await ask()).toBe('ECONNREFUSED');
      await plane.apply('sidecar.yaml', [binding], { affected: 1 });
      await eventually('the bound port to answer', async () => (await ask()) === 'echo');
      await plane.remove('sidecar.yaml');
      await eventually('the port to be let go', async () => (await ask()) === 'ECONNREFUSED');
    }
    expect(envoy.log()).toBe('');
  });
});
