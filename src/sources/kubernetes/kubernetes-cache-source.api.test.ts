import { afterEach, beforeEach, expect, it } from 'vitest';
import { Cache } from '../../runtime/cache/cache.ts';
import { Client } from '../../runtime/client/client.ts';
import { RestClient } from '../../runtime/client/rest-client.ts';
import { type FaultProxy, startFaultProxy } from '../../runtime/testenv/fault-proxy.ts';
import { describeApi } from '../../runtime/testing/describe-api.ts';
import { eventually } from '../../runtime/testing/eventually.ts';
import { configMapKind, namespaceKind, widgetCrd } from '../../runtime/testing/kubernetes-kinds.ts';
import { type Widget, widgetKind } from '../../runtime/testing/objects.ts';
import { versionsOf } from '../../runtime/testing/reflector-world.ts';
import { KubernetesCacheSource, watchedKind } from './kubernetes-cache-source.ts';

const times = { backoffBaseMs: 10, backoffMaxMs: 100, missingMaxMs: 50 };

describeApi(
  'KubernetesCacheSource',
  (env) => {
    let cache: Cache;
    let client: Client;
    let proxy: FaultProxy;
    let rest: RestClient;
    let stopped: AbortController;
    let running: Promise<void> | undefined;

    beforeEach(async () => {
      cache = new Cache();
      client = new Client({ rest: env().rest, cache, fieldManager: 'test' });
      proxy = await startFaultProxy(env().kubeConfig);
      rest = new RestClient({ kubeConfig: proxy.kubeConfig });
      stopped = new AbortController();
      for (const name of ['in', 'out']) await client.apply(namespaceKind, { metadata: { name } });
    });

    afterEach(async () => {
      stopped.abort();
      await running;
      rest.close();
      await proxy.stop();
      for (const namespace of ['in', 'out']) {
        await env().rest.request({ method: 'DELETE', path: `/apis/example.com/v1/namespaces/${namespace}/widgets` });
      }
    });

    const start = (source: KubernetesCacheSource) => {
      running = source.start(stopped.signal);
    };
    const write = (namespace: string, name: string, value: string) =>
      client.apply(widgetKind, { metadata: { namespace, name }, spec: { value } });
    const values = () =>
      cache
        .store(widgetKind)
        .list()
        .map(({ metadata, spec }) => `${metadata.namespace}/${metadata.name}=${spec.value}`)
        .sort();

    /** Holds back the answer to the first list of the namespace `out`; `held` resolves when the API server has given it. */
    const holdJoin = () => {
      const held = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      proxy.inject({
        type: 'hold',
        of: 'answer',
        times: 1,
        match: ({ verb, object }) => verb === 'list' && object === 'out/',
        until: () => {
          held.resolve();
          return released.promise;
        },
      });
      return { held: held.promise, release: released.resolve };
    };

    it('fills the cache with each kind, and is ready when all are in', async () => {
      await write('in', 'a', '1');
      const widgets = watchedKind<Widget>({ kind: widgetKind, transform: (widget) => ({ ...widget, spec: { value: 'slim' } }) });
      const source = new KubernetesCacheSource({ rest, cache, kinds: [widgets, { kind: namespaceKind }] });
      expect(() => client.list(widgetKind)).toThrow(/first list is not in yet/);
      start(source);
      await source.waitForReady(stopped.signal);
      expect(client.list(widgetKind).map(({ spec }) => spec.value)).toEqual(['slim']);
      expect(client.get(namespaceKind, 'in')).toMatchObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { namespace: '' } });
      await eventually(() => expect(source.status().map(({ phase }) => phase)).toEqual(['watching', 'watching']));
      expect(source.status().map(({ resource }) => resource)).toEqual(['widgets.example.com', 'namespaces']);
    });

    it('is held up by a kind that is missing, and holds up no other', async () => {
      const missingKind = { ...widgetKind, kind: 'Gadget', plural: 'gadgets' };
      const kinds = [{ kind: missingKind }, { kind: widgetKind }];
      const source = new KubernetesCacheSource({ rest, cache, kinds, ...times });
      start(source);
      await cache.store(widgetKind).waitForSync(stopped.signal);
      await write('in', 'a', '1');
      await eventually(() => expect(values()).toEqual(['in/a=1']));
      await eventually(() => expect(source.status()[0]).toMatchObject({ isMissing: true, phase: 'waiting' }));
      await expect(source.waitForReady(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    });

    it('lets namespaces join and leave', async () => {
      const kept = new Set(['in']);
      await write('in', 'a', '1');
      await write('out', 'b', '1');
      const source = new KubernetesCacheSource({
        rest,
        cache,
        kinds: [{ kind: widgetKind }, { kind: configMapKind }],
        keepsNamespace: (namespace) => kept.has(namespace),
      });
      start(source);
      await source.waitForReady(stopped.signal);
      expect(values()).toEqual(['in/a=1']);
      await write('out', 'b', '2');
      await write('in', 'marker', '1');
      await eventually(() => expect(values()).toEqual(['in/a=1', 'in/marker=1']));

      kept.add('out');
      source.namespacesChanged(['out']);
      await eventually(() => expect(values()).toContain('out/b=2'));
      await write('out', 'b', '3');
      await eventually(() => expect(values()).toContain('out/b=3'));

      kept.delete('in');
      source.namespacesChanged(['in']);
      expect(values()).toEqual(['out/b=3']);
    });

    it('lets the newer state win when a namespace joins while its objects change', async () => {
      const kept = new Set(['in']);
      for (const name of ['deleted', 'changed', 'remade', 'same']) await write('out', name, '1');
      const source = new KubernetesCacheSource({
        rest,
        cache,
        kinds: [{ kind: widgetKind }],
        keepsNamespace: (name) => kept.has(name),
      });
      start(source);
      await source.waitForReady(stopped.signal);
      const { held, release } = holdJoin();
      kept.add('out');
      source.namespacesChanged(['out']);
      // The list has been read by now: it must not bring back what the watch tells meanwhile.
      await held;
      await client.delete(widgetKind, 'out/deleted');
      await write('out', 'changed', '2');
      await client.delete(widgetKind, 'out/remade');
      await write('out', 'remade', '2');
      await eventually(() => expect(values()).toEqual(['out/changed=2', 'out/remade=2']));
      release();
      await eventually(() => expect(values()).toEqual(['out/changed=2', 'out/remade=2', 'out/same=1']));
      expect(versionsOf(cache.store(widgetKind).list())).toEqual(
        versionsOf(await client.listLive(widgetKind, { namespace: 'out' })),
      );
    });

    it('fetches a namespace again that left and came back while it was being fetched', async () => {
      const kept = new Set(['in']);
      await write('out', 'a', '1');
      const source = new KubernetesCacheSource({
        rest,
        cache,
        kinds: [{ kind: widgetKind }],
        keepsNamespace: (name) => kept.has(name),
      });
      start(source);
      await source.waitForReady(stopped.signal);
      const { held, release } = holdJoin();
      kept.add('out');
      source.namespacesChanged(['out']);
      await held;
      kept.delete('out');
      source.namespacesChanged(['out']);
      await write('out', 'a', '2');
      await write('in', 'marker', '1');
      await eventually(() => expect(values()).toEqual(['in/marker=1']));
      kept.add('out');
      source.namespacesChanged(['out']);
      release();
      await eventually(() => expect(values()).toEqual(['in/marker=1', 'out/a=2']));
    });

    it('lets no namespace wait for another that cannot be listed', async () => {
      const kept = new Set<string>();
      await write('out', 'a', '1');
      const source = new KubernetesCacheSource({
        rest,
        cache,
        kinds: [{ kind: widgetKind }],
        keepsNamespace: (name) => kept.has(name),
      });
      start(source);
      await source.waitForReady(stopped.signal);
      const failed = proxy.inject({ type: 'status', status: 500, match: ({ object }) => object === 'broken/' });
      for (const name of ['broken', 'out']) kept.add(name);
      source.namespacesChanged(['broken', 'out']);
      await eventually(() => expect(values()).toEqual(['out/a=1']));
      expect(failed.hits).toBeGreaterThan(0);
    });

    it('tries a namespace again that could not be listed', async () => {
      const kept = new Set<string>();
      await write('out', 'a', '1');
      const source = new KubernetesCacheSource({
        rest,
        cache,
        kinds: [{ kind: widgetKind }],
        keepsNamespace: (name) => kept.has(name),
      });
      start(source);
      await source.waitForReady(stopped.signal);
      const failed = proxy.inject({ type: 'status', status: 500, times: 1, match: ({ verb }) => verb === 'list' });
      kept.add('out');
      source.namespacesChanged(['out']);
      await eventually(() => expect(values()).toEqual(['out/a=1']));
      expect(failed.hits).toBe(1);
    });
  },
  { crds: [widgetCrd] },
);
