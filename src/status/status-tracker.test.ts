import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { typeUrls } from '../envoy/resource.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import { parseObjects, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import { MeshClasses } from '../xds/mesh-classes.ts';
import { createXdsServer, type XdsServer } from '../xds/server.ts';
import { AdsClient, type AdsClientOptions } from '../xds/testing/ads-client.ts';
import { StatusTracker } from './status-tracker.ts';

let test: TestMesh;
let xds: XdsServer;
let status: StatusTracker;
let address: string;
const clients: AdsClient[] = [];

async function start(): Promise<void> {
  test = await startTestMesh();
  xds = createXdsServer({
    classes: new MeshClasses(test.mesh),
    clock: systemClock,
    logger: silentLogger,
    registry: new Registry(),
  });
  status = new StatusTracker({ mesh: test.mesh, ledger: xds.ledger, clock: systemClock, logger: silentLogger });
  ({ address } = await xds.listen('127.0.0.1', 0));
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await xds.close({ deadlineMs: 1000 });
  status.close();
  await test.stop();
});

function connect(name: string, options: Partial<AdsClientOptions> = {}): AdsClient {
  const node = { id: `sidecar~10.1.1.1~${name}.shop~shop.svc.cluster.local`, cluster: name };
  const client = new AdsClient({ address, variant: 'delta', follow: true, node, ...options });
  clients.push(client);
  client.subscribeAll(typeUrls.cluster);
  client.subscribeAll(typeUrls.listener);
  return client;
}

const serviceEntry = (name: string, generation: number, spec = ''): KubernetesObject[] =>
  parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: shop, name: ${name}, generation: ${generation}, resourceVersion: "${generation}" }
spec: { hosts: [${name}.example.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.${generation} }] ${spec} }`);

const key = (name: string) => `ServiceEntry/shop/${name}`;
const condition = (name: string, type: string) => status.get(key(name))?.conditions?.find((each) => each.type === type);

/** Until a status is as wanted; fails with what it was. */
async function until(name: string, reason: string, summary: string): Promise<void> {
  await expect
    .poll(() => `${condition(name, 'Ready')?.reason}, ${status.get(key(name))?.propagation?.summary}`, { interval: 5 })
    .toBe(`${reason}, ${summary}`);
}

describe.each(['delta', 'sotw'] as const)('status over %s', (variant) => {
  it('follows an object from its file to the last acknowledgement, and latches', async () => {
    await start();
    await test.apply(...serviceEntry('api', 1));
    await until('api', 'Propagated', '0/0 acked');
    connect('one', { variant });
    await until('api', 'Propagated', '1/1 acked');
    expect(status.get(key('api'))?.propagation?.completedAt).toBeUndefined();

    let isHolding = false;
    const slow = connect('two', { variant, judge: () => (isHolding ? 'hold' : 'ack') });
    await until('api', 'Propagated', '2/2 acked');
    isHolding = true;
    await test.apply(...serviceEntry('api', 2));
    await until('api', 'Propagating', '1/2 acked');
    expect(status.get(key('api'))?.propagation).toMatchObject({ generation: 2, pending: 1, laggards: ['shop/two'] });
    expect(condition('api', 'Reconciling')?.status).toBe('True');
    slow.answer(slow.responses.at(-1)!, 'ack');
    await until('api', 'Propagated', '2/2 acked');

    expect(status.get(key('api'))?.propagation?.completedAt).toBeDefined();

    const late = connect('three', { variant, judge: () => 'hold' });
    await expect.poll(() => late.responses.length).toBeGreaterThan(0);
    await until('api', 'Propagated', '2/3 acked');
  });

  it('traces a refusal to the object behind it, and leaves its siblings alone', async () => {
    await start();
    await test.apply(...serviceEntry('good', 1), ...serviceEntry('bad', 1));
    connect('one', {
      variant,
      judge: (response) =>
        response.typeUrl === typeUrls.cluster && [...response.resources.keys()].some((name) => name.includes('bad'))
          ? { nack: 'Error adding/updating cluster(s) outbound|80||bad.example.com: no such thing' }
          : 'ack',
    });
    await expect.poll(() => condition('bad', 'Ready')?.reason).toBe('ProxyRejected');
    expect(condition('bad', 'Stalled')?.reason).toBe('ProxyRejected');
    expect(status.get(key('bad'))?.propagation?.rejections?.[0]).toMatchObject({
      resource: 'outbound|80||bad.example.com',
      proxies: 1,
      exampleProxy: 'shop/one',
      message: expect.stringContaining('no such thing'),
    });
    await expect.poll(() => status.get(key('good'))?.propagation?.rejected).toBe(0);
  });
});

it('keeps the last good generation of an object that became invalid, and says so', async () => {
  await start();
  const client = connect('one');
  await test.apply(...serviceEntry('api', 1));
  await until('api', 'Propagated', '1/1 acked');
  const [invalid] = serviceEntry('api', 2, ', addresses: ["10.0.0.0/99"]');
  await test.apply(invalid!);
  await until('api', 'NotAccepted', '1/1 acked');
  expect(status.get(key('api'))).toMatchObject({ observedGeneration: 2, propagation: { generation: 1 } });
  expect(condition('api', 'Accepted')).toMatchObject({
    status: 'False',
    reason: 'Invalid',
    message: expect.stringContaining('spec.addresses[0]'),
  });
  expect(client.of(typeUrls.cluster).resources.has('outbound|80||api.example.com')).toBe(true);
});

it('forgets what is deleted, when its proxies have dropped it', async () => {
  await start();
  const client = connect('one');
  await test.apply(...serviceEntry('api', 1));
  await until('api', 'Propagated', '1/1 acked');
  await test.remove(...serviceEntry('api', 1));
  expect(status.get(key('api'))).toBeUndefined();
  await expect.poll(() => client.of(typeUrls.cluster).resources.has('outbound|80||api.example.com')).toBe(false);
});

it('a disconnected proxy leaves the denominator', async () => {
  await start();
  connect('one');
  const two = connect('two');
  await test.apply(...serviceEntry('api', 1));
  await until('api', 'Propagated', '2/2 acked');
  two.close();
  await until('api', 'Propagated', '1/1 acked');
});
