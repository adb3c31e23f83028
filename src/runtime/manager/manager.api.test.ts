import { afterEach, expect, it } from 'vitest';
import { informerSource } from '../cache/informer-source.ts';
import { Controller } from '../controller.ts';
import { enqueueRequestForObject } from '../event-handler.ts';
import { silentLogger } from '../logger.ts';
import { reconcilerOf } from '../reconciler.ts';
import { describeApi } from '../testing/describe-api.ts';
import { eventually } from '../testing/eventually.ts';
import { configMapKind } from '../testing/kubernetes-kinds.ts';
import { eachTerm } from './each-term.ts';
import { Manager } from './manager.ts';

describeApi('managers on an API server', (env) => {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  /** A replica whose leader labels every config map with its name, and which counts what it sees while it serves everyone. */
  function startReplica(identity: string) {
    const manager = new Manager({
      kubeConfig: env().kubeConfig,
      logger: silentLogger,
      metricsBind: false,
      healthProbeBind: { host: '127.0.0.1', port: 0 },
      leaderElection: {
        name: 'replicas',
        namespace: 'default',
        identity,
        leaseDurationMs: 3_000,
        renewDeadlineMs: 2_000,
        retryPeriodMs: 250,
        whenLost: 'standBy',
      },
    });
    const { client, cache } = manager;
    manager.reflect({
      kind: configMapKind,
      namespace: 'default',
      labelSelector: { matchLabels: { app: 'replicas' } },
      transform: ({ data: _, ...object }) => object,
    });
    let terms = 0;
    const makeController = () => {
      terms++;
      const reconciler = reconcilerOf(async ({ name }, { signal }) => {
        if (!client.get(configMapKind, name) || !manager.isLeading) return {};
        const value = { metadata: { labels: { by: identity } } };
        await client.patch(configMapKind, name, { type: 'merge', value }, { signal });
        return {};
      });
      const controller = new Controller({ name: 'labels', group: 'leader', reconciler });
      controller.watch(informerSource(cache, configMapKind), enqueueRequestForObject);
      return controller;
    };
    manager.add(eachTerm('labels', makeController));
    let served: AbortSignal | undefined;
    manager.add({
      name: 'served by everyone',
      group: 'everyReplica',
      start: (signal) => {
        served = signal;
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
    });
    const run = manager.start();
    ends.push(() => {
      manager.stop();
      return run;
    });
    return { manager, client, terms: () => terms, isServing: () => served?.aborted === false };
  }

  it('keep serving through an API server that hangs, with one leader before and after', async () => {
    const replicas = [startReplica('a'), startReplica('b')];
    const { client } = replicas[0]!;
    const leading = () => replicas.filter(({ manager }) => manager.isLeading);
    const create = (name: string, app = 'replicas') =>
      client.create(configMapKind, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'default', labels: { app } },
        data: { a: 'b' },
      });
    const labelledBy = async (name: string) => (await client.getLive(configMapKind, `default/${name}`))!.metadata.labels!.by;
    await create('foreign', 'other');
    await create('first');
    await eventually(async () => expect(await labelledBy('first')).toMatch(/^[ab]$/));
    expect(leading()).toHaveLength(1);

    env().pauseApiServer();
    try {
      await eventually(() => expect(leading()).toEqual([]));
      expect(replicas.map(({ isServing }) => isServing())).toEqual([true, true]);
      expect(await (await fetch(`http://${replicas[0]!.manager.healthProbeAddress}/healthz`)).text()).toBe('ok');
    } finally {
      env().resumeApiServer();
    }
    await eventually(() => expect(leading()).toHaveLength(1));
    await create('second');
    await eventually(async () => expect(await labelledBy('second')).toBe(leading()[0]!.manager.leader));
    expect(replicas.reduce((sum, { terms }) => sum + terms(), 0)).toBe(2);
    expect(replicas.map(({ isServing }) => isServing())).toEqual([true, true]);
    expect(client.get(configMapKind, 'default/first'), 'kept without its data').not.toHaveProperty('data');
    expect(client.get(configMapKind, 'default/foreign')).toBeUndefined();
    expect(await labelledBy('foreign')).toBeUndefined();
  });
});
