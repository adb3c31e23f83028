import { setImmediate as nextTurn } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { podKind } from '../../api/kubernetes/pod.ts';
import { typeUrls } from '../../envoy/resource.ts';
import { ObjectStore } from '../../runtime/cache/object-store.ts';
import { systemClock } from '../../runtime/clock.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { createXdsServer, type PortOptions, type XdsServer } from '../server.ts';
import { AdsClient } from '../testing/ads-client.ts';
import { FakeClasses, fakeReader, fakeResource } from '../testing/fake-classes.ts';
import { type KnownPod, ProxyAuthenticator } from './proxy-authenticator.ts';

const { cluster, listener } = typeUrls;
const object = 'EnvoyFilter/istio-system/payments';

let pods: ObjectStore<KnownPod>;
let classes: FakeClasses;
let registry: Registry;
let server: XdsServer;
let address: string;
let clients: AdsClient[];

const podOf = (app: string, resourceVersion: string): KnownPod => ({
  ...{ apiVersion: 'v1', kind: 'Pod' },
  metadata: { name: 'cart-1', namespace: 'shop', uid: 'u1', labels: { app }, resourceVersion },
  status: { podIPs: ['10.0.0.1'] },
});

beforeEach(async () => {
  clients = [];
  pods = new ObjectStore<KnownPod>(podKind as never);
  pods.replace([podOf('cart', '1')]);
  classes = new FakeClasses();
  classes.classOf = ({ labels }) => labels.app ?? 'none';
  for (const key of ['cart', 'payments']) {
    classes.at(key).put(fakeResource(cluster, `for-${key}`, '', { provenance: [object] }));
    classes.at(key).put(fakeResource(listener, 'l', key, { provenance: [object] }));
  }
  registry = new Registry();
  server = createXdsServer({ classes, clock: systemClock, logger: silentLogger, registry });
  const identity = { namespace: 'shop', serviceAccount: 'cart', pod: { name: 'cart-1', uid: 'u1' } };
  const reviewer = { review: async () => ({ outcome: 'authenticated', identity }) as const, forgetPod: () => {} };
  const { authenticate } = new ProxyAuthenticator({
    ...{ reviewer, pods, includes: () => true, clock: systemClock, logger: silentLogger, registry },
  });
  const port: PortOptions = {
    authenticate(call) {
      // A client of grpc-js sends no token over plaintext.
      call.metadata.set('authorization', 'Bearer e30.e30.x');
      return authenticate(call);
    },
  };
  address = (await server.listen('127.0.0.1', 0, port)).address;
});

afterEach(async () => {
  for (const client of clients) client.close();
  await server.close({ deadlineMs: 1000 });
  expect(classes.classes.values().every(({ members }) => members === 0)).toBe(true);
});

/** A proxy of the pod that says that it is a payment gateway. */
function connect(): AdsClient {
  const client = new AdsClient({
    ...{ address, variant: 'delta', reader: fakeReader, follow: true },
    node: { id: 'sidecar~10.0.0.1~cart-1.shop~shop.svc.cluster.local', metadata: { LABELS: { app: 'payments' } } },
  });
  clients.push(client);
  client.subscribeAll(cluster);
  client.subscribeAll(listener);
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}
const clustersOf = (client: AdsClient) => [...client.of(cluster).resources.keys()];
const counts = () => server.ledger.propagation(object);

it('a proxy has the labels of its pod, not those that it claims', async () => {
  const client = connect();
  await until(() => clustersOf(client).length > 0 && counts().acked === 1);
  expect(clustersOf(client)).toEqual(['for-cart']);
  expect(server.proxies()).toMatchObject([{ classKey: 'cart', node: { labels: { app: 'cart' } } }]);
});

it('a proxy moves with the labels of its pod, on the stream that it has', async () => {
  const client = connect();
  await until(() => counts().acked === 1);
  pods.apply(podOf('payments', '2'));
  await until(() => clustersOf(client).join() === 'for-payments' && counts().acked === 1);
  expect(server.proxies()).toMatchObject([{ classKey: 'payments' }]);
  expect(counts()).toMatchObject({ affected: 1, acked: 1, pending: 0 });
});

it('a pod that opens more streams is one proxy still: the newest is served, and counted', async () => {
  const streams = [connect(), connect(), connect()];
  let ended = 0;
  for (const stream of streams) void stream.ended.then(() => ended++);
  await until(() => ended === 2 && counts().acked === 1);
  expect(server.proxies()).toHaveLength(1);
  expect(counts()).toMatchObject({ affected: 1, acked: 1, pending: 0 });
  expect(await registry.metrics()).toContain('weft_xds_refused_proxies_total{reason="superseded"} 2');
  expect(await registry.metrics()).toContain('pilot_xds{version="unknown"} 1');
  const last = connect();
  await until(() => ended === 3);
  for (const { ended } of streams) expect(await ended).toMatchObject({ code: status.ABORTED });
  await until(() => clustersOf(last).length > 0 && counts().acked === 1);
});
