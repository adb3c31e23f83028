import { afterEach, beforeEach, expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from '../api/index.ts';
import { clientLeaseApi } from '../runtime/leader-election/client-lease-api.ts';
import { LeaderElector } from '../runtime/leader-election/leader-elector.ts';
import { leaseKind } from '../runtime/leader-election/lease.ts';
import { describeApi } from '../runtime/testing/describe-api.ts';
import { eventually } from '../runtime/testing/eventually.ts';
import { namespaceKind } from '../runtime/testing/kubernetes-kinds.ts';
import { releaseObjects } from './release-objects.ts';
import { applyYaml, Replica, serviceEntryYaml } from './testing/replica.ts';
import { Withdrawal, withdrawalFinalizer } from './withdrawal.ts';

describeApi(
  'letting go of objects before the operator leaves',
  (env) => {
    const lease = { namespace: 'shop', name: 'weft-leader' };
    const { signal } = new AbortController();
    const annotated = { metadata: 'annotations: { weft.dev/wait-for-withdrawal: "true" }' };
    let replica: Replica;
    let elector: LeaderElector;
    let stop: AbortController;
    let campaign: Promise<unknown>;

    beforeEach(async () => {
      replica = new Replica(env().kubeConfig);
      await replica.client.apply(namespaceKind, { metadata: { name: 'shop' } });
      await replica.start();
      stop = new AbortController();
      const times = { leaseDurationMs: 2000, renewDeadlineMs: 1500, retryPeriodMs: 500 };
      elector = new LeaderElector({ api: clientLeaseApi(replica.client), ...lease, ...times });
      campaign = elector.run(stop.signal, {
        onStartedLeading(leading) {
          const { cache, client, mesh, xds } = replica;
          const options = { cache, client, kinds: meshKinds, mesh, propagation: xds.ledger, recorder: { record: () => {} } };
          void new Withdrawal({ ...options, isLeading: () => elector.isLeading }).start(leading);
        },
      });
      await eventually(() => expect(elector.isLeading).toBe(true));
    });

    afterEach(async () => {
      stop.abort();
      await campaign;
      await replica.client.delete(leaseKind, 'shop/weft-leader');
      await replica.stop();
    });

    const read = (name: string) => replica.client.getLive(serviceEntryKind, `shop/${name}`);
    const finalizers = async (name: string) => (await read(name))?.metadata.finalizers;
    const release = () => releaseObjects({ client: replica.client, kinds: meshKinds, lease }, signal);

    it('takes the finalizer off what lives and what is being deleted, and no leader puts it on again', async () => {
      replica.connect('slow', { judge: () => 'hold' });
      for (const name of ['living', 'leaving']) {
        await applyYaml(replica.client, serviceEntryYaml(name, annotated));
        await eventually(async () => expect(await finalizers(name)).toEqual([withdrawalFinalizer]));
      }
      await replica.client.delete(serviceEntryKind, 'shop/leaving');
      expect((await read('leaving'))?.metadata.deletionTimestamp).toBeDefined();

      expect(await release()).toBe(2);
      expect(elector.isLeading).toBe(false);
      expect(await read('leaving')).toBeUndefined();
      // A change is what a leader would be reminded by.
      await applyYaml(replica.client, serviceEntryYaml('living', { ...annotated, address: '10.0.0.2' }));
      await eventually(() => expect(replica.cache.find(serviceEntryKind)?.get('shop/living')?.metadata.generation).toBe(2));
      expect(await finalizers('living')).toBeUndefined();
      await replica.client.delete(serviceEntryKind, 'shop/living');
      expect(await read('living')).toBeUndefined();
      expect((await replica.client.getLive(leaseKind, 'shop/weft-leader'))?.spec).toMatchObject({
        ...{ holderIdentity: 'weft release-objects', leaseDurationSeconds: 20 },
      });
    });

    it('leaves the leader alone where no object has it', async () => {
      await applyYaml(replica.client, serviceEntryYaml('plain'));
      expect(await release()).toBe(0);
      expect((await replica.client.getLive(leaseKind, 'shop/weft-leader'))?.spec?.holderIdentity).toBe(elector.identity);
    });
  },
  { crdPaths: ['crds'] },
);
