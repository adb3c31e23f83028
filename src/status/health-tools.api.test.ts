import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from '../api/index.ts';
import { JsonLines } from '../runtime/client/json-lines.ts';
import { resourcePath } from '../runtime/client/resource-path.ts';
import { systemClock } from '../runtime/clock.ts';
import { EventRecorder } from '../runtime/events/event-recorder.ts';
import { describeApi } from '../runtime/testing/describe-api.ts';
import { eventually } from '../runtime/testing/eventually.ts';
import { namespaceKind } from '../runtime/testing/kubernetes-kinds.ts';
import type { Verdict } from '../xds/testing/ads-client.ts';
import type { PublishedObject } from './published-status.ts';
import { StatusTracker } from './status-tracker.ts';
import { StatusWriter } from './status-writer.ts';
import { argoHealthOf, lua } from './testing/argo-health.ts';
import { type Kstatus, kstatusOf } from './testing/kstatus.ts';
import { applyYaml, Replica, serviceEntryYaml } from './testing/replica.ts';
import { Withdrawal } from './withdrawal.ts';

const istioCrds = join(import.meta.dirname, 'testdata/istio-crds.yaml');

describe.each([
  { crds: 'crds', name: 'Weft’s CRDs', untouched: 'InProgress' },
  // Theirs have no default for observedGeneration: what nobody has looked at yet cannot be told from what is settled.
  { crds: istioCrds, name: 'Istio’s own CRDs', untouched: 'Current' },
] as const)('what tools make of a status, with $name', ({ crds, untouched }) => {
  describeApi(
    'on an API server',
    (env) => {
      let replica: Replica;
      let tracker: StatusTracker | undefined;
      let stopWatching: () => void;
      /** Every version of the object that the API server had. */
      let versions: PublishedObject[];
      /** Those that looked settled before the proxy had acknowledged them. */
      let tooEarly: PublishedObject[];
      let isGone: boolean;
      let verdict: Verdict;
      /** Generations that the proxy may have acknowledged by now. */
      let acked: Set<number>;

      /** With no status at all, kstatus takes anything for settled. */
      const isLookedAt = ({ status }: PublishedObject) => untouched === 'InProgress' || status !== undefined;
      const lead = () => {
        const { cache, client, xds, mesh, logger } = replica;
        const shared = { cache, client, propagation: xds.ledger, kinds: meshKinds };
        tracker = new StatusTracker({ mesh, ledger: xds.ledger, clock: systemClock, logger });
        replica.run(new StatusWriter({ ...shared, tracker, objectIntervalMs: 50 }));
        const recorder = new EventRecorder({ client, controller: 'weft.dev/operator' });
        replica.run(recorder);
        replica.run(new Withdrawal({ ...shared, mesh, recorder }));
      };

      beforeEach(async () => {
        [versions, tooEarly, isGone, verdict, acked] = [[], [], false, 'hold', new Set()];
        replica = new Replica(env().kubeConfig);
        await replica.client.apply(namespaceKind, { metadata: { name: 'shop' } });
        const path = resourcePath(serviceEntryKind, 'shop');
        const { chunks, close } = await replica.rest.stream({ path, query: { watch: true } });
        stopWatching = close;
        const lines = new JsonLines();
        void (async () => {
          for await (const chunk of chunks)
            for (const event of lines.push(chunk as Buffer)) {
              const { type, object } = event as { type: string; object: PublishedObject };
              if (type === 'DELETED') isGone = true;
              else versions.push(object);
              if (isLookedAt(object) && kstatusOf(object) === 'Current' && !acked.has(object.metadata.generation!))
                tooEarly.push(object);
            }
        })().catch(() => {});
        await replica.start();
      });
      afterEach(async () => {
        stopWatching();
        tracker?.close();
        await replica.stop();
      });

      const apply = (options: Parameters<typeof serviceEntryYaml>[1] = {}) =>
        applyYaml(
          replica.client,
          serviceEntryYaml('api', { metadata: 'annotations: { weft.dev/wait-for-withdrawal: "true" }', ...options }),
        );
      const latest = () => versions.at(-1)!;
      const untilKstatus = (wanted: Kstatus, generation: number) =>
        eventually(() => expect([kstatusOf(latest()), latest().metadata.generation]).toEqual([wanted, generation]));

      it('is never Current before it is, in progress on its way, failed when it does not get there', async () => {
        const one = replica.connect('one', { judge: () => verdict });
        await apply();
        await untilKstatus(untouched, 1);
        lead();
        await eventually(() => expect(latest().status?.propagation?.pending).toBe(1));
        await untilKstatus('InProgress', 1);
        acked.add(1);
        verdict = 'ack';
        for (const response of one.responses) one.answer(response, 'ack');
        await untilKstatus('Current', 1);

        verdict = 'hold';
        await apply({ address: '10.0.0.2' });
        await eventually(() => expect(latest().status?.propagation?.pending).toBe(1));
        await untilKstatus('InProgress', 2);
        verdict = { nack: 'no such address' };
        for (const response of one.responses.slice(-1)) one.answer(response, verdict);
        await untilKstatus('Failed', 2);
        acked.add(3);
        verdict = 'ack';
        await apply({ address: '10.0.0.3' });
        await untilKstatus('Current', 3);

        await apply({ address: '10.0.0.3', spec: 'addresses: ["10.0.0.0/99"]' });
        await untilKstatus('Failed', 4);
        acked.add(5);
        await apply({ address: '10.0.0.3' });
        await untilKstatus('Current', 5);

        verdict = 'hold';
        const heard = one.responses.length;
        await replica.client.delete(serviceEntryKind, 'shop/api');
        // A deletion is a generation, too.
        await untilKstatus('Terminating', 6);
        await eventually(() => expect(one.responses.length).toBeGreaterThan(heard));
        expect(isGone).toBe(false);
        verdict = 'ack';
        for (const response of one.responses.slice(heard)) one.answer(response, 'ack');
        await eventually(() => expect(isGone).toBe(true));

        expect(tooEarly).toEqual([]);
        const looked = versions.filter(isLookedAt);
        const current = looked.filter((version) => kstatusOf(version) === 'Current');
        for (const { metadata, status } of current) {
          expect(status?.propagation).toMatchObject({ generation: metadata.generation, affected: 1, acked: 1 });
        }
        expect([...new Set(current.map(({ metadata }) => metadata.generation))]).toEqual([1, 3, 5]);
        // Nothing of a status is lost to a CRD that does not know it.
        expect(Object.keys(current[0]!.status!).toSorted()).toEqual(
          ['addresses', 'conditions', 'observedGeneration', 'propagation'].filter((field) => field in current[0]!.status!),
        );
        expect(current[0]!.status!.conditions!.every(({ observedGeneration }) => observedGeneration === 1)).toBe(true);

        if (!lua) {
          expect((process.env.WEFT_REQUIRE ?? '').split(',')).not.toContain('lua');
          return;
        }
        const wanted = { InProgress: 'Progressing', Current: 'Healthy', Failed: 'Degraded' } as const;
        const living = looked.filter((version) => !version.metadata.deletionTimestamp);
        expect(argoHealthOf(living)).toEqual(living.map((version) => wanted[kstatusOf(version) as keyof typeof wanted]));
        // Argo CD sees through it where kstatus cannot.
        expect(argoHealthOf(versions.slice(0, 1))).toEqual(['Progressing']);
      });
    },
    { crdPaths: [crds] },
  );
});
