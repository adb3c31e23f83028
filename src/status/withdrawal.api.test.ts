import { afterEach, beforeEach, expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from '../api/index.ts';
import { typeUrls } from '../envoy/resource.ts';
import { systemClock } from '../runtime/clock.ts';
import { EventRecorder } from '../runtime/events/event-recorder.ts';
import { eventKind } from '../runtime/events/recorded-event.ts';
import { describeApi } from '../runtime/testing/describe-api.ts';
import { eventually } from '../runtime/testing/eventually.ts';
import { namespaceKind } from '../runtime/testing/kubernetes-kinds.ts';
import { ObjectEvents } from './object-events.ts';
import { StatusTracker } from './status-tracker.ts';
import { StatusWriter } from './status-writer.ts';
import { applyYaml, Replica, serviceEntryYaml } from './testing/replica.ts';
import { Withdrawal, withdrawalFinalizer } from './withdrawal.ts';

describeApi(
  'withdrawal and events on an API server',
  (env) => {
    let replica: Replica;
    let tracker: StatusTracker;
    let stopLeading: () => Promise<void>;
    let count = 0;
    let name: string;
    const annotated = { metadata: 'annotations: { weft.dev/wait-for-withdrawal: "true" }' };

    const lead = (deadlineMs = 60_000) => {
      const { cache, client, xds, mesh, logger } = replica;
      const propagation = xds.ledger;
      tracker = new StatusTracker({ mesh, ledger: propagation, clock: systemClock, logger });
      const recorder = new EventRecorder({ client, controller: 'weft.dev/operator' });
      const writer = new StatusWriter({ tracker, propagation, cache, client, kinds: meshKinds, objectIntervalMs: 200 });
      const withdrawal = new Withdrawal({ cache, client, kinds: meshKinds, mesh, propagation, recorder, deadlineMs });
      const events = new ObjectEvents({ writer, recorder });
      const ends = [recorder, events, writer, withdrawal].map((part) => replica.run(part));
      stopLeading = async () => {
        for (const end of ends.toReversed()) await end();
        tracker.close();
      };
    };

    beforeEach(async () => {
      name = `api-${++count}`;
      replica = new Replica(env().kubeConfig);
      await replica.client.apply(namespaceKind, { metadata: { name: 'shop' } });
      await replica.start();
    });

    afterEach(async () => {
      tracker.close();
      await replica.stop();
    });

    const read = () => replica.client.getLive(serviceEntryKind, `shop/${name}`);
    const remove = () => replica.client.delete(serviceEntryKind, `shop/${name}`);
    const apply = (options: Parameters<typeof serviceEntryYaml>[1] = {}) =>
      applyYaml(replica.client, serviceEntryYaml(name, options));
    const untilAcked = (proxies: number) =>
      eventually(async () => expect((await read())?.status?.propagation?.acked).toBe(proxies));
    const eventsOf = async () =>
      (await replica.client.listLive(eventKind, { namespace: 'shop' })).filter(({ regarding }) => regarding.name === name);
    const events = async () => (await eventsOf()).map(({ type, reason, note }) => `${type} ${reason}: ${note}`);

    it('holds up a deletion until the last proxy has dropped the object', async () => {
      lead();
      let isHolding = false;
      const slow = replica.connect('slow', { judge: () => (isHolding ? 'hold' : 'ack') });
      replica.connect('quick');
      await apply(annotated);
      await untilAcked(2);
      await eventually(async () => expect((await read())?.metadata.finalizers).toEqual([withdrawalFinalizer]));
      isHolding = true;
      const heard = slow.responses.length;
      await remove();
      await eventually(() => expect(slow.responses.length).toBeGreaterThan(heard));
      await eventually(() => expect(replica.xds.ledger.propagation(`ServiceEntry/shop/${name}`).affected).toBe(1));
      expect((await read())?.metadata.deletionTimestamp).toBeDefined();
      isHolding = false;
      for (const response of slow.responses.slice(heard)) slow.answer(response, 'ack');
      await eventually(async () => expect(await read()).toBeUndefined());
      expect(slow.of(typeUrls.cluster).resources.has(`outbound|80||${name}.example.com`)).toBe(false);
      await eventually(async () =>
        expect(await events()).toContainEqual(expect.stringMatching(/^Normal Withdrawn: dropped by 2 proxies in/)),
      );
      // Told once more, with the end of the object, it would be counted.
      await eventually(() => expect(replica.cache.find(serviceEntryKind)?.get(`shop/${name}`)).toBeUndefined());
      await stopLeading();
      const told = (await eventsOf()).filter(({ reason }) => reason === 'Withdrawn');
      expect(told.map(({ series }) => series?.count ?? 1)).toEqual([1]);
    });

    it('lets an object go at the deadline, and says who still has it', async () => {
      lead(300);
      let isHolding = false;
      replica.connect('slow', { judge: () => (isHolding ? 'hold' : 'ack') });
      await apply(annotated);
      await untilAcked(1);
      await eventually(async () => expect((await read())?.metadata.finalizers).toEqual([withdrawalFinalizer]));
      isHolding = true;
      await remove();
      await eventually(async () => expect(await read()).toBeUndefined());
      await eventually(async () =>
        expect(await events()).toContainEqual(
          expect.stringMatching(/^Warning WithdrawalOverdue: not dropped by shop\/slow after/),
        ),
      );
    });

    it('takes the finalizer away with the annotation, and never adds one unasked', async () => {
      lead();
      await apply(annotated);
      await eventually(async () => expect((await read())?.metadata.finalizers).toEqual([withdrawalFinalizer]));
      await apply();
      await eventually(async () => expect((await read())?.metadata.finalizers).toBeUndefined());
      await eventually(async () => expect((await read())?.status?.observedGeneration).toBe(1));
      expect((await read())?.metadata.finalizers).toBeUndefined();
    });

    it('tells of an object’s way in events, each once, whoever leads', async () => {
      lead();
      replica.connect('one');
      await apply({ address: '10.0.0.1', spec: 'addresses: ["10.0.0.0/99"]' });
      await eventually(async () => expect((await read())?.status?.observedGeneration).toBe(1));
      await apply();
      await untilAcked(1);
      await stopLeading();
      lead();
      await apply({ address: '10.0.0.2' });
      await eventually(async () => expect((await events()).filter((event) => event.includes('Propagated')).length).toBe(2));
      await remove();
      await eventually(async () => expect(await events()).toContainEqual(expect.stringContaining('Withdrawn')));
      await stopLeading();
      expect((await events()).map((event) => event.split(':')[0]).sort()).toEqual([
        'Normal Accepted',
        'Normal AddressAllocated',
        'Normal Propagated',
        'Normal Propagated',
        'Normal Withdrawn',
        'Warning Invalid',
      ]);
    });
  },
  { crdPaths: ['crds'] },
);
