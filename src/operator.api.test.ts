import { beforeAll, expect, it } from 'vitest';
import { serviceEntryKind } from './api/index.ts';
import { typeUrls } from './envoy/resource.ts';
import type { OperatorOptions } from './operator.ts';
import { objectPath, resourcePath } from './runtime/client/resource-path.ts';
import type { KubernetesObject } from './runtime/object.ts';
import { findLoopbackPort } from './runtime/testenv/loopback-port.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import type { ObjectStatus } from './status/render-status.ts';
import { waitForWithdrawalAnnotation, withdrawalFinalizer } from './status/withdrawal.ts';
import { type RunningOperator, runOperator } from './testing/running-operator.ts';
import { AdsClient, type Verdict } from './xds/testing/ads-client.ts';

describeApi(
  'two replicas of the operator',
  (env) => {
    const connect = async (operator: RunningOperator, pod: string, judge: () => Verdict = () => 'ack'): Promise<AdsClient> => {
      const id = `sidecar~10.0.0.1~${pod}.shop~shop.svc.cluster.local`;
      const metadata = { NAMESPACE: 'shop', LABELS: {}, INSTANCE_IPS: '10.0.0.1', CLUSTER_ID: 'Kubernetes' };
      const client = new AdsClient({
        address: await operator.served,
        variant: 'delta',
        follow: true,
        judge,
        node: { id, metadata },
      });
      client.subscribeAll(typeUrls.cluster);
      client.subscribeAll(typeUrls.listener);
      return client;
    };
    const start = async (options: Partial<OperatorOptions> = {}): Promise<RunningOperator> => {
      const port = await findLoopbackPort();
      const replication = {
        bind: { host: '127.0.0.1', port },
        advertised: `127.0.0.1:${port}`,
        credential: { type: 'shared', token: 'shared' },
      } as const;
      return runOperator(env().kubeConfig, { replication, ...options });
    };
    const summary = async () => {
      const path = objectPath(serviceEntryKind, 'shop/a');
      const { status } = await env().rest.request<{ status?: ObjectStatus }>({ path });
      return status?.propagation?.summary;
    };
    beforeAll(async () => {
      for (const name of ['shop', 'weft-system'])
        await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
      const spec = { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' };
      const body = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name: 'a' }, spec };
      await env().rest.request({ method: 'POST', path: resourcePath(serviceEntryKind, 'shop'), body });
    });

    it('show one true total of their proxies, and go on doing so when the leader has gone', async () => {
      const replicas = [await start(), await start()];
      const clients = [
        await connect(replicas[0]!, 'one'),
        await connect(replicas[1]!, 'two'),
        await connect(replicas[1]!, 'three'),
      ];
      try {
        await eventually(async () => expect(await summary()).toBe('3/3 acked'));
        const leader = replicas.findIndex(({ manager }) => manager.isLeading);
        expect(leader).toBeGreaterThanOrEqual(0);
        await replicas[leader]!.stop();
        const left = leader === 0 ? '2/2 acked' : '1/1 acked';
        await eventually(async () => expect(await summary()).toBe(left));
        clients.push(await connect(replicas[1 - leader]!, 'four'));
        await eventually(async () => expect(await summary()).toBe(leader === 0 ? '3/3 acked' : '2/2 acked'));
      } finally {
        for (const client of clients) client.close();
        for (const replica of replicas) await replica.stop();
      }
    });

    it('hold up a deletion until the last proxy on any replica has dropped it, though the leader goes meanwhile', async () => {
      const path = objectPath(serviceEntryKind, 'shop/a');
      const annotate = { metadata: { annotations: { [waitForWithdrawalAnnotation]: 'true' } } };
      await env().rest.request({ method: 'PATCH', path, body: annotate, contentType: 'application/merge-patch+json' });
      const read = () => env().rest.request<KubernetesObject>({ path });
      const first = await start();
      await first.served;
      const [second, third] = [await start(), await start()];
      let isHolding = false;
      // Whichever leads then, it has to hear of the other one's proxy.
      const judge = () => (isHolding ? 'hold' : 'ack');
      const clients = [await connect(second, 'slow', judge), await connect(third, 'slower', judge)];
      try {
        await eventually(async () => expect((await read()).metadata.finalizers).toEqual([withdrawalFinalizer]));
        await eventually(async () => expect(await summary()).toBe('2/2 acked'));
        isHolding = true;
        await env().rest.request({ method: 'DELETE', path });
        await first.stop();
        await eventually(() => expect(second.manager.isLeading || third.manager.isLeading).toBe(true));
        // Longer than a new leader waits for the others.
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        expect((await read()).metadata.finalizers).toEqual([withdrawalFinalizer]);
        isHolding = false;
        const [own, other] = second.manager.isLeading ? clients : clients.toReversed();
        for (const response of own!.responses.slice(-4)) own!.answer(response, 'ack');
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect((await read()).metadata.finalizers).toEqual([withdrawalFinalizer]);
        for (const response of other!.responses.slice(-4)) other!.answer(response, 'ack');
        await eventually(() => expect(read()).rejects.toThrow(/not found/));
      } finally {
        for (const client of clients) client.close();
        await second.stop();
        await third.stop();
      }
    });
  },
  { crdPaths: ['crds'] },
);
