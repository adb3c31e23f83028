import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { serviceEntryKind } from './api/index.ts';
import { objectPath } from './runtime/client/resource-path.ts';
import type { ActiveFault } from './runtime/testenv/fault.ts';
import { type FaultProxy, startFaultProxy } from './runtime/testenv/fault-proxy.ts';
import type { TestEnv } from './runtime/testenv/test-env.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import type { PublishedObject } from './status/published-status.ts';
import { applyObject, ChangingWorld, serviceEntry } from './testing/changing-world.ts';
import { expectAsFromNothing } from './testing/reference-plane.ts';
import { type RunningOperator, runOperator } from './testing/running-operator.ts';
import { mixedProxies, SimulatedFleet } from './testing/simulated-fleet.ts';

/** What a fault is done with, and to. */
interface Scene {
  readonly env: TestEnv;
  readonly proxy: FaultProxy;
  readonly world: ChangingWorld;
  readonly operator: RunningOperator;
  /** Resolves when the operator has said it, since the test began. */
  said(text: RegExp): Promise<void>;
  /** Resolves when the fault has befallen so much. */
  hit(fault: ActiveFault, times?: number): Promise<void>;
}

const isWatch = ({ verb }: { verb: string }) => verb === 'watch';
const isStatus = ({ resource }: { resource: string }) => resource.endsWith('/status');

/** Each breaks something, changes the world meanwhile, and mends what it broke. */
const faults: readonly [string, (scene: Scene) => Promise<void>][] = [
  [
    'restarts',
    async ({ env, world, said }) => {
      await env.restartApiServer();
      await world.change();
      await said(/API server/);
    },
  ],
  [
    'is killed, and comes back after a while',
    async ({ env, world, said }) => {
      await env.killApiServer();
      await said(/connection to the API server failed/);
      await env.restartApiServer();
      await world.change();
    },
  ],
  [
    'stands still for longer than a lease',
    async ({ env, world, operator }) => {
      env.pauseApiServer();
      await eventually(() => expect(operator.manager.isLeading).toBe(false));
      env.resumeApiServer();
      await world.change();
    },
  ],
  [
    'hangs, its connections open',
    async ({ proxy, world, operator, hit }) => {
      const faults = [proxy.inject({ type: 'hang' }), proxy.inject({ type: 'stall' })];
      await world.change();
      for (const fault of faults) await hit(fault);
      await eventually(() => expect(operator.manager.isLeading).toBe(false));
      await world.change();
    },
  ],
  [
    'has forgotten where watches were (410)',
    async ({ proxy, world, said, hit }) => {
      const expired = proxy.inject({ type: 'expire', times: 4 });
      proxy.inject({ type: 'status', status: 410, times: 4, match: ({ verb }) => verb === 'list' });
      await world.change();
      await hit(expired, 4);
      await said(/watch fell behind/);
    },
  ],
  [
    'is busy (429), and says when to come again',
    async ({ proxy, world, said }) => {
      proxy.inject({ type: 'status', status: 429, retryAfterSeconds: 1 });
      proxy.cutWatches();
      await world.change();
      await said(/API server is busy/);
    },
  ],
  [
    'fails at everything (500)',
    async ({ proxy, world, said }) => {
      proxy.inject({ type: 'status', status: 500 });
      proxy.cutWatches();
      await world.change();
      await said(/API server failed/);
    },
  ],
  [
    'resets every connection',
    async ({ proxy, world, said }) => {
      proxy.inject({ type: 'reset' });
      proxy.cutWatches();
      await world.change();
      await said(/connection to the API server failed/);
    },
  ],
  [
    'drops watches in the middle of an event',
    async ({ proxy, world, hit }) => {
      const cut = proxy.inject({ type: 'cut', times: 8 });
      await world.change();
      await hit(cut, 4);
    },
  ],
  [
    'deletes while nobody watches, and does not remember it',
    async ({ proxy, world, said }) => {
      proxy.inject({ type: 'reset', match: isWatch });
      proxy.cutWatches();
      await said(/connection to the API server failed/);
      await world.change();
      proxy.heal();
      proxy.inject({ type: 'status', status: 410, times: 20, match: isWatch });
      await said(/watch fell behind/);
    },
  ],
  [
    'has another version of an object when its status is written (409)',
    async ({ proxy, world, hit }) => {
      const conflict = proxy.inject({ type: 'status', status: 409, times: 20, match: isStatus });
      await world.change();
      await hit(conflict, 10);
    },
  ],
  [
    'forbids everything for a while (403)',
    async ({ proxy, world, said }) => {
      proxy.inject({ type: 'status', status: 403 });
      proxy.cutWatches();
      await world.change();
      await said(/verb "watch" on serviceentries\.networking\.istio\.io/);
    },
  ],
];

describeApi(
  'the operator, of which nothing is lost when the API server',
  (env) => {
    const fleet = new SimulatedFleet();
    let proxy: FaultProxy;
    let world: ChangingWorld;
    let operator: RunningOperator;

    beforeAll(async () => {
      proxy = await startFaultProxy(env().kubeConfig);
      world = new ChangingWorld(env().rest);
      await world.begin();
      // Far shorter than in production, and with the same order among them.
      const sourceTimes = { silenceMs: 4_000, listTimeoutMs: 1_000, backoffBaseMs: 50, backoffMaxMs: 500 };
      operator = runOperator(proxy.kubeConfig, { sourceTimes });
      fleet.connect(await operator.served, mixedProxies(10, ['shop', 'client']));
      await expectAsFromNothing(env().kubeConfig, fleet);
    }, 60_000);

    afterEach(() => proxy.heal());
    afterAll(async () => {
      fleet.close();
      await operator.stop();
      await proxy.stop();
    });

    it.each(faults)('%s', async (_, act) => {
      const from = operator.lines.length;
      const saidSince = (text: RegExp) =>
        operator.lines.slice(from).find(({ message, fields }) => text.test(`${message} ${Object.values(fields).join(' ')}`));
      const said = (text: RegExp) => eventually(() => expect(saidSince(text), `a line of the log like ${text}`).toBeDefined());
      const hit = (fault: ActiveFault, times = 1) => eventually(() => expect(fault.hits).toBeGreaterThanOrEqual(times));
      await act({ env: env(), proxy, world, operator, said, hit });
      proxy.heal();

      await expectAsFromNothing(env().kubeConfig, fleet, 40_000);
      expect(operator.end).toBeUndefined();
      expect(await fleet.ended(), 'streams that the fault has ended').toEqual([]);
      await eventually(() => expect(operator.manager.isLeading).toBe(true));
      expect(await operator.readyz('caches')).toContain('ok');
    });

    it('takes in what is invalid: the last good generation stays in force while the object lives, and nothing where there was none', async () => {
      const good = serviceEntry('moves', '192.0.2.1');
      // The schema cannot say that a STATIC entry's endpoints must be IP addresses.
      const bad = { ...good, hosts: ['other.example.com'], endpoints: [{ address: 'not-an-address.example.com' }] };
      const put = (spec: object) =>
        applyObject(env().rest, { kind: serviceEntryKind, namespace: 'shop', name: 'moves', body: { spec } });
      const status = async () => {
        const path = objectPath(serviceEntryKind, 'shop/moves');
        return (await env().rest.request<PublishedObject>({ path })).status;
      };
      await put(good);
      await expectAsFromNothing(env().kubeConfig, fleet);
      const held = fleet.held();
      await put(bad);
      await eventually(async () =>
        expect((await status())?.conditions).toContainEqual(
          expect.objectContaining({ type: 'Accepted', status: 'False', reason: 'Invalid' }),
        ),
      );
      const { observedGeneration, propagation } = (await status())!;
      expect(propagation?.generation).toBe(observedGeneration! - 1);
      expect(fleet.held()).toEqual(held);

      await put(good);
      await expectAsFromNothing(env().kubeConfig, fleet);
      await world.remove(serviceEntryKind, 'shop/moves');
      await expectAsFromNothing(env().kubeConfig, fleet);
      // Nothing of its name is in force any more, so nothing comes into force.
      await put(bad);
      await expectAsFromNothing(env().kubeConfig, fleet);
      expect([...fleet.held().keys()].filter((resource) => resource.includes('moves.example.com'))).toEqual([]);
      expect(operator.end).toBeUndefined();
    });
  },
  { crdPaths: ['crds'] },
);

describeApi('the operator before its CRDs are there', (env) => {
  it('says which, waits, and goes on by itself when they come', async () => {
    const fleet = new SimulatedFleet();
    const operator = runOperator(env().kubeConfig, { sourceTimes: { missingMaxMs: 200 } });
    try {
      await eventually(async () => expect(await operator.readyz('caches')).toContain('serviceentries.networking.istio.io'));
      for (const plural of ['serviceentries', 'sidecars', 'envoyfilters', 'workloadentries']) {
        const isNamed = ({ message, fields }: (typeof operator.lines)[number]) =>
          /Install its CRD/.test(message) && fields.resource === `${plural}.networking.istio.io`;
        await eventually(() => expect(operator.lines.find(isNamed), plural).toBeDefined());
      }
      await env().installCrdFiles(['crds']);
      const world = new ChangingWorld(env().rest);
      await world.begin();
      fleet.connect(await operator.served, mixedProxies(4, ['shop', 'client']));
      await expectAsFromNothing(env().kubeConfig, fleet, 40_000);
      expect(operator.end).toBeUndefined();
      await world.remove(serviceEntryKind, 'shop/moves');
      await expectAsFromNothing(env().kubeConfig, fleet, 40_000);
    } finally {
      fleet.close();
      await operator.stop();
    }
  });
});
