import { afterEach, beforeEach, expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from '../api/index.ts';
import { systemClock } from '../runtime/clock.ts';
import { type FaultProxy, startFaultProxy } from '../runtime/testenv/fault-proxy.ts';
import { describeApi } from '../runtime/testing/describe-api.ts';
import { eventually } from '../runtime/testing/eventually.ts';
import { namespaceKind } from '../runtime/testing/kubernetes-kinds.ts';
import type { PublishedObject } from './published-status.ts';
import { StatusTracker } from './status-tracker.ts';
import { StatusWriter, statusFieldManager } from './status-writer.ts';
import { applyYaml, Replica, serviceEntryYaml } from './testing/replica.ts';

describeApi(
  'status on an API server',
  (env) => {
    let proxy: FaultProxy;
    let replica: Replica;
    let tracker: StatusTracker;
    let stopLeading: () => Promise<void>;
    let writes: string[];
    let count = 0;
    let name: string;

    const lead = () => {
      const { cache, client, xds, mesh, logger } = replica;
      tracker = new StatusTracker({ mesh, ledger: xds.ledger, clock: systemClock, logger });
      const writer = new StatusWriter({
        tracker,
        propagation: xds.ledger,
        cache,
        client,
        kinds: meshKinds,
        objectIntervalMs: 200,
      });
      writer.onWritten((key) => writes.push(key));
      stopLeading = replica.run(writer);
    };

    beforeEach(async () => {
      name = `api-${++count}`;
      writes = [];
      proxy = await startFaultProxy(env().kubeConfig);
      replica = new Replica(proxy.kubeConfig);
      await replica.client.apply(namespaceKind, { metadata: { name: 'shop' } });
      await replica.start();
      lead();
    });

    afterEach(async () => {
      tracker.close();
      await replica.stop();
      await proxy.stop();
    });

    const key = () => `ServiceEntry/shop/${name}`;
    const read = async () => (await replica.client.getLive(serviceEntryKind, `shop/${name}`)) as PublishedObject | undefined;
    const condition = async (type: string) => (await read())?.status?.conditions?.find((each) => each.type === type);
    const apply = (options: Parameters<typeof serviceEntryYaml>[1] = {}) =>
      applyYaml(replica.client, serviceEntryYaml(name, options));
    const untilReady = (reason = 'Propagated') => eventually(async () => expect((await condition('Ready'))?.reason).toBe(reason));

    it('shows an applied object’s way to the last proxy', async () => {
      replica.connect('one');
      await apply();
      await eventually(async () => expect((await read())?.status?.propagation?.summary).toBe('1/1 acked'));
      const { status, metadata } = (await read())!;
      expect(status).toMatchObject({
        observedGeneration: 1,
        propagation: { generation: 1, affected: 1, acked: 1, rejected: 0, pending: 0, completedAt: expect.any(String) },
      });
      expect(status!.conditions!.map(({ type, status }) => `${type}=${status}`)).toEqual([
        'Accepted=True',
        'ResolvedRefs=True',
        'AddressAllocated=True',
        'Programmed=True',
        'Ready=True',
      ]);
      const managed = (metadata as unknown as { managedFields: { manager: string; subresource?: string }[] }).managedFields;
      expect(managed.filter(({ subresource }) => subresource === 'status').map(({ manager }) => manager)).toEqual([
        statusFieldManager,
      ]);
      // Known, on its way, there: on a busy machine each is seen by itself.
      expect(writes.length).toBeLessThanOrEqual(3);
    });

    it('writes nothing when nothing changes, and costs no push', async () => {
      replica.connect('one');
      await apply();
      await untilReady();
      await eventually(async () => expect((await read())?.status?.propagation?.acked).toBe(1));
      const { metadata } = (await read())!;
      const own = () => writes.filter((each) => each === key()).length;
      const before = { writes: own(), revision: replica.mesh.revision };
      // Another object through the whole way and back: whatever was on its way before has arrived.
      await applyYaml(replica.client, serviceEntryYaml(`${name}-marker`));
      await eventually(() => expect(writes.filter((each) => each.endsWith('-marker')).length).toBeGreaterThan(0));
      expect(own()).toBe(before.writes);
      expect((await read())!.metadata.resourceVersion).toBe(metadata.resourceVersion);
      // The marker's own change, and nothing of any status that was written.
      expect(replica.mesh.revision).toBe(before.revision + 1);
    });

    it('a new leader takes up what stands there, and rewrites none of it', async () => {
      replica.connect('one');
      await apply();
      await untilReady();
      await eventually(async () => expect((await read())?.status?.propagation?.acked).toBe(1));
      const { metadata, status } = (await read())!;
      await stopLeading();
      tracker.close();
      lead();
      await applyYaml(replica.client, serviceEntryYaml(`${name}-marker`));
      await eventually(() => expect(writes.some((each) => each.endsWith('-marker'))).toBe(true));
      expect((await read())!.metadata.resourceVersion).toBe(metadata.resourceVersion);
      await apply({ address: '10.0.0.2' });
      await eventually(async () => expect((await read())?.status?.observedGeneration).toBe(2));
      await untilReady();
      const times = (each: PublishedObject['status']) =>
        each?.conditions
          ?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])
          .filter(([type]) => type === 'Accepted' || type === 'ResolvedRefs');
      expect(times((await read())!.status)).toEqual(times(status));
    });

    it('is mended by the next leader where it went wrong meanwhile', async () => {
      await apply();
      await untilReady();
      await stopLeading();
      tracker.close();
      const value = { status: { conditions: [], propagation: { summary: '9/9 acked', affected: 9, acked: 9 } } };
      await replica.client.status(serviceEntryKind).patch(`shop/${name}`, { type: 'merge', value });
      await eventually(() => expect(replica.cache.store(serviceEntryKind).get(`shop/${name}`)).toMatchObject(value));
      lead();
      await untilReady();
      expect((await read())!.status!.propagation!.summary).toBe('0/0 acked');
    });

    it('says which verb on which resource it lacks, once', async () => {
      const said: unknown[] = [];
      replica.logger.error = (_message, fields) => void said.push({ verb: fields?.verb, resource: fields?.resource });
      proxy.inject({
        type: 'status',
        status: 403,
        match: ({ verb, resource }) => verb === 'patch' && resource.endsWith('/status'),
      });
      await apply();
      await applyYaml(replica.client, serviceEntryYaml(`${name}-marker`));
      const nothing = { verb: 'patch', resource: 'serviceentries.networking.istio.io/status' };
      await eventually(() => expect(said).toEqual([nothing]));
      expect(tracker.get(key())?.observedGeneration).toBe(1);
    });

    it('leaves other writers’ conditions and fields alone, and mends its own', async () => {
      await apply();
      await untilReady();
      const others = { type: 'Reconciled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
      const { status } = (await read())!;
      const conditions = [others, ...status!.conditions!.filter(({ type }) => type !== 'Ready')];
      await replica.client
        .status(serviceEntryKind)
        .patch(`shop/${name}`, { type: 'merge', value: { status: { conditions, theirs: 'kept' } } }, { fieldManager: 'istiod' });
      await untilReady();
      expect((await read())!.status).toMatchObject({ theirs: 'kept', conditions: expect.arrayContaining([others]) });
    });

    it('reads again and retries when another writer was faster', async () => {
      await apply();
      await untilReady();
      const before = writes.length;
      // What the watch does not tell: the cache is behind, as it is between any write and its event.
      const lost = proxy.inject({ type: 'lose', event: 'MODIFIED', times: 1, match: ({ verb }) => verb === 'watch' });
      const value = { status: { theirs: 'first' } };
      await replica.client.status(serviceEntryKind).patch(`shop/${name}`, { type: 'merge', value }, { fieldManager: 'istiod' });
      await eventually(() => expect(lost.hits).toBe(1));
      replica.connect('one');
      await eventually(async () => expect((await read())?.status?.propagation?.summary).toBe('1/1 acked'));
      expect((await read())!.status).toMatchObject({ theirs: 'first' });
      expect(writes.length).toBeGreaterThan(before);
    });

    it.each([[429], [500]])('gets through an API server that answers %d', async (status) => {
      const fault = proxy.inject({
        type: 'status',
        status,
        times: 3,
        match: ({ verb, resource }) => verb === 'patch' && resource.endsWith('/status'),
      });
      await apply();
      await untilReady();
      expect(fault.hits).toBe(3);
    });

    it('takes a deleted object for no error', async () => {
      const lost = proxy.inject({ type: 'lose', event: 'DELETED', times: 1, match: ({ verb }) => verb === 'watch' });
      await apply();
      await untilReady();
      const warned: string[] = [];
      replica.logger.warn = (message) => void warned.push(message);
      await replica.client.delete(serviceEntryKind, `shop/${name}`);
      await eventually(() => expect(lost.hits).toBe(1));
      replica.connect('one');
      await eventually(() => expect(tracker.get(key())?.propagation?.acked).toBe(1));
      await applyYaml(replica.client, serviceEntryYaml(`${name}-marker`));
      await eventually(() => expect(writes.filter((each) => each.endsWith('-marker')).length).toBeGreaterThan(0));
      expect(warned).toEqual([]);
      expect(await read()).toBeUndefined();
    });

    it('says which generation is in force when one is invalid', async () => {
      await apply();
      await untilReady();
      await apply({ address: '10.0.0.2', spec: 'addresses: ["10.0.0.0/99"]' });
      await untilReady('NotAccepted');
      expect((await read())!.status).toMatchObject({ observedGeneration: 2, propagation: { generation: 1 } });
      expect(await condition('Stalled')).toMatchObject({ status: 'True', reason: 'Invalid', observedGeneration: 2 });
      await apply();
      await untilReady();
      expect(await condition('Stalled')).toBeUndefined();
    });
  },
  { crdPaths: ['crds'] },
);
