import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TypeUrl, typeUrls } from '../envoy/resource.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { createXdsServer, type PortOptions, type XdsServer, type XdsServerInit } from './server.ts';
import { AdsClient, type AdsClientOptions } from './testing/ads-client.ts';
import { FakeClasses, fakeReader, fakeResource, readFake } from './testing/fake-classes.ts';
import { StreamError } from './wire/stream-error.ts';

const { cluster, endpoint, listener } = typeUrls;
const nodeId = (name: string) => `sidecar~10.0.0.1~${name}.shop~shop.svc.cluster.local`;
const eds = (name: string) => [{ typeUrl: endpoint, name }];

let classes: FakeClasses;
let server: XdsServer;
let registry: Registry;
let address: string;
let clients: AdsClient[];

async function serve(init: Partial<XdsServerInit> = {}, host = '127.0.0.1', port: PortOptions = {}): Promise<void> {
  registry = new Registry();
  server = createXdsServer({ classes, clock: systemClock, logger: silentLogger, registry, ...init });
  address = (await server.listen(host, 0, port)).address;
}

beforeEach(async () => {
  classes = new FakeClasses();
  clients = [];
  for (const name of ['a', 'b']) {
    classes.at().put(fakeResource(cluster, name, '', { requires: eds(name) }));
    classes.at().put(fakeResource(endpoint, name));
  }
});

afterEach(async () => {
  for (const client of clients) client.close();
  await server.close({ deadlineMs: 1000 });
  expect(classes.classes.values().every(({ members }) => members === 0)).toBe(true);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

describe.each(['delta', 'sotw'] as const)('XdsServer over gRPC, %s', (variant) => {
  function connect(options: Partial<AdsClientOptions> = {}, name = 'proxy'): AdsClient {
    const client = new AdsClient({ address, variant, node: { id: nodeId(name) }, reader: fakeReader, ...options });
    clients.push(client);
    return client;
  }

  function start(options: Partial<AdsClientOptions> = {}, name = 'proxy'): AdsClient {
    const client = connect({ follow: true, ...options }, name);
    client.subscribeAll(cluster);
    client.subscribeAll(listener);
    return client;
  }

  const bodies = (client: AdsClient, typeUrl: TypeUrl) =>
    Object.fromEntries([...client.of(typeUrl).resources].map(([name, { value }]) => [name, readFake(value).body]).sort());
  const allSynced = () =>
    server.proxies().every(({ types }) => types.every(({ state }) => state === 'synced' || state === 'not subscribed'));

  it('serves, pushes, and knows who has what', async () => {
    await serve();
    const client = start();
    await until(() => client.of(endpoint).resources.size === 2 && allSynced());
    classes.edit([{ put: fakeResource(endpoint, 'a', 'moved') }], 'endpoints');
    await until(() => bodies(client, endpoint).a === 'moved' && allSynced());
    expect(server.proxies()).toMatchObject([
      { proxy: 'shop/proxy', transport: variant, classKey: 'main', node: { namespace: 'shop' } },
    ]);
    expect(server.proxies()[0]!.types).toMatchObject([
      { subscribed: '*' },
      { subscribed: 2 },
      { subscribed: '*' },
      { subscribed: 0 },
      { subscribed: 0 },
    ]);
    expect(
      server
        .resources('shop/proxy')!
        .get(endpoint)!
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['a', 'b']);
    expect(server.resources('shop/nobody')).toBeUndefined();
    const metrics = await registry.metrics();
    expect(metrics).toContain('pilot_xds{version="unknown"} 1');
    expect(metrics).toMatch(/pilot_xds_pushes\{type="eds"\} \d/);
  });

  it('keeps a refusal, and serves the others meanwhile', async () => {
    await serve();
    const judge: AdsClientOptions['judge'] = ({ resources }) =>
      resources.has('bad') ? { nack: 'Error adding/updating cluster(s) bad: no' } : 'ack';
    const picky = start({ judge }, 'picky');
    const easy = start({}, 'easy');
    await until(() => picky.of(cluster).resources.size === 2 && easy.of(cluster).resources.size === 2);
    classes.edit([{ put: fakeResource(cluster, 'bad', '', { provenance: ['EnvoyFilter/x/y'] }) }]);
    await until(() => easy.of(cluster).resources.has('bad'));
    await until(() => server.ledger.propagation('EnvoyFilter/x/y').rejected === 1);
    expect(server.ledger.propagation('EnvoyFilter/x/y')).toMatchObject({
      affected: 2,
      rejections: [{ exampleProxy: 'shop/picky', message: 'no' }],
    });
    expect(await registry.metrics()).toContain('pilot_total_xds_rejects{type="cds"} 1');
  });

  it('brings a proxy that comes back to the same state', async () => {
    await serve();
    const client = start();
    await until(() => client.of(endpoint).resources.size === 2);
    client.close();
    await until(() => server.proxies().length === 0);
    classes.edit([{ put: fakeResource(cluster, 'c', '', { requires: eds('c') }) }, { remove: { typeUrl: cluster, name: 'b' } }]);
    const again = start({ resume: client });
    await until(() => Object.keys(bodies(again, cluster)).join() === 'a,c' && allSynced());
    expect([...again.of(endpoint).names].sort()).toEqual(['a', 'c']);
  });

  it('ends a stream of garbage, and no other', async () => {
    await serve();
    const good = start({}, 'good');
    const bad = start({}, 'bad');
    await until(() => good.of(endpoint).resources.size === 2);
    bad.sendRaw(Buffer.concat([Buffer.from([0xff]), randomBytes(100)]));
    expect(await bad.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('is not an envoy.service.discovery.v3.'),
    });
    classes.edit([{ put: fakeResource(endpoint, 'a', 'still') }], 'endpoints');
    await until(() => bodies(good, endpoint).a === 'still');
  });

  it.each([
    ['no node', undefined, 'no node id'],
    ['an empty node id', { id: '' }, 'no node id'],
    ['a malformed node id', { id: 'envoy-1' }, 'sidecar~<ip>~<pod>.<namespace>'],
  ])('refuses a first request with %s', async (_what, node, why) => {
    await serve();
    const client = connect();
    client.sendRequest({ typeUrl: cluster, node });
    expect(await client.ended).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringContaining(why) });
  });

  it('refuses another node on the same stream', async () => {
    await serve();
    const client = start();
    client.sendRequest({ typeUrl: cluster, node: { id: nodeId('proxy') } });
    await until(() => client.of(endpoint).resources.size === 2);
    client.sendRequest({ typeUrl: cluster, node: { id: nodeId('other') } });
    expect(await client.ended).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringContaining('other.shop') });
  });

  it('leaves an unknown type unanswered, and the stream alive', async () => {
    await serve();
    const client = start();
    client.sendRequest({ typeUrl: 'type.googleapis.com/nobody.knows.This' });
    client.sendRequest({ typeUrl: '' });
    await until(() => client.of(endpoint).resources.size === 2);
    expect(client.responses.map(({ typeUrl }) => typeUrl)).not.toContain('type.googleapis.com/nobody.knows.This');
  });

  it('bounds the node and the request', async () => {
    await serve({ options: { maxNodeBytes: 1000, maxRequestBytes: 10_000, maxNames: 3 } });
    const fat = connect({ node: { id: nodeId('fat'), cluster: 'x'.repeat(2000) } });
    fat.subscribeAll(cluster);
    expect(await fat.ended).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining('the limit is 1000'),
    });
    const long = connect();
    long.sendRaw(Buffer.alloc(20_000));
    expect(await long.ended).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    const greedy = connect();
    greedy.subscribe(endpoint, 'a', 'b', 'c', 'd');
    expect(await greedy.ended).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: expect.stringContaining('4 names') });
  });

  it('lets a client that never reads wait, and nobody else', async () => {
    await serve();
    const deaf = start({}, 'deaf');
    const good = start({}, 'good');
    await until(() => allSynced() && good.of(endpoint).resources.size === 2 && deaf.of(endpoint).resources.size === 2);
    deaf.pause();
    const big = 'x'.repeat(300_000);
    for (let round = 0; round < 30; round++) {
      classes.edit([{ put: fakeResource(endpoint, 'a', `${big}${round}`) }], 'endpoints');
      await until(() => bodies(good, endpoint).a === `${big}${round}`);
    }
    const [stale] = server.proxies().filter(({ proxy }) => proxy === 'shop/deaf');
    expect(stale!.types[1]).toMatchObject({ state: 'stale' });
    deaf.resume();
    await until(() => bodies(deaf, endpoint).a === `${big}29`);
    // What came meanwhile was merged: one response was on its way, one more had everything.
    expect(
      deaf.responses.filter(({ typeUrl, resources }) => typeUrl === endpoint && resources.get('a')!.value.length > 1000),
    ).toHaveLength(2);
  });

  it('asks who may come in before it computes anything', async () => {
    const asked: string[] = [];
    const authorize = async ({ name }: { name: string }) => {
      asked.push(name);
      await nextTurn();
      if (name === 'thief') throw new StreamError(status.PERMISSION_DENIED, 'not you');
    };
    await serve({}, '127.0.0.1', { authenticate: async () => authorize });
    const thief = start({}, 'thief');
    expect(await thief.ended).toMatchObject({ code: status.PERMISSION_DENIED, details: 'not you' });
    const friend = start({}, 'friend');
    await until(() => friend.of(endpoint).resources.size === 2);
    expect(asked).toEqual(['thief', 'friend']);
  });

  it('reads nothing of a stream before it knows who opened it', async () => {
    const token = Promise.withResolvers<void>();
    let asked = 0;
    const authenticate = async () => {
      await token.promise;
      return () => void asked++;
    };
    await serve({}, '127.0.0.1', { authenticate });
    const client = start();
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect(asked).toBe(0);
    token.resolve();
    await until(() => client.of(endpoint).resources.size === 2);
    expect(asked).toBe(1);
  });

  it('turns out whom it let in before', async () => {
    const turnOut: ((error: StreamError) => void)[] = [];
    await serve({}, '127.0.0.1', {
      authenticate:
        async () =>
        (_, { end }) =>
          void turnOut.push(end),
    });
    const client = start();
    await until(() => client.of(endpoint).resources.size === 2);
    turnOut[0]!(new StreamError(status.UNAUTHENTICATED, 'the pod is gone'));
    expect(await client.ended).toMatchObject({ code: status.UNAUTHENTICATED, details: 'the pod is gone' });
    expect(server.proxies()).toEqual([]);
  });

  it('waits for a first request for a limited time only', async () => {
    const clock = new FakeClock();
    await serve({ clock });
    const silent = new AdsClient({ address, variant: 'delta', node: { id: nodeId('silent') } });
    clients.push(silent);
    await until(() => clock.pendingTimers > 0);
    clock.advance(30_000);
    expect(await silent.ended).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends streams behind what is written when it closes', async () => {
    await serve();
    const client = start();
    await until(() => client.of(endpoint).resources.size === 2);
    const closed = server.close({ deadlineMs: 5000 });
    expect(await client.ended).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringContaining('shutting down') });
    client.close();
    await closed;
  });
});

describe('XdsServer.listen', () => {
  it('binds IPv6 and says so in brackets', async () => {
    await serve({}, '::1');
    expect(address).toMatch(/^\[::1\]:\d+$/);
    const client = new AdsClient({ address, variant: 'delta', node: { id: nodeId('six') }, reader: fakeReader });
    clients.push(client);
    client.subscribeAll(cluster);
    await until(() => client.of(cluster).resources.size === 2);
  });

  it('says which address it cannot have', async () => {
    await serve();
    const port = Number(address.split(':')[1]);
    const second = createXdsServer({ classes, clock: systemClock, logger: silentLogger, registry: new Registry() });
    await expect(second.listen('127.0.0.1', port)).rejects.toThrow(`xDS cannot listen on 127.0.0.1:${port}`);
    await second.close({ deadlineMs: 10 });
  });
});
