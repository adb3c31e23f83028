import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../envoy/resource.ts';
import { fakeResource } from '../testing/fake-classes.ts';
import { type ModelClient, SessionHarness } from '../testing/session-harness.ts';

const { cluster, endpoint, extensionConfig, listener, route } = typeUrls;
const ofEndpoints = (name: string) => [{ typeUrl: endpoint, name }];
const ofRoutes = (name: string) => [{ typeUrl: route, name }];

const put = {
  cluster: (name: string, body = '') => ({ put: fakeResource(cluster, name, body, { requires: ofEndpoints(name) }) }),
  plainCluster: (name: string, body = '') => ({ put: fakeResource(cluster, name, body) }),
  endpoint: (name: string, body = '') => ({ put: fakeResource(endpoint, name, body) }),
  listener: (name: string, body = '') => ({ put: fakeResource(listener, name, body, { requires: ofRoutes('80') }) }),
  route: (name: string, body = '') => ({ put: fakeResource(route, name, body) }),
  filter: (name: string, body = '') => ({ put: fakeResource(extensionConfig, name, body) }),
  listenerWithFilter: (name: string, filter: string, body = '') => ({
    put: fakeResource(listener, name, body, { requires: [...ofRoutes('80'), { typeUrl: extensionConfig, name: filter }] }),
  }),
};
const remove = (typeUrl: (typeof typeUrls)[keyof typeof typeUrls], name: string) => ({ remove: { typeUrl, name } });

/** A mesh of two clusters with endpoints, one listener and its route, and a proxy that has it all. */
function synced(variant: 'delta' | 'sotw', options = {}): { harness: SessionHarness; client: ModelClient } {
  const harness = new SessionHarness(options);
  const base = [put.cluster('a'), put.cluster('b'), put.endpoint('a'), put.endpoint('b'), put.listener('l'), put.route('80')];
  harness.classes.edit(base);
  harness.classes.at();
  harness.turn();
  const client = harness.connect(variant);
  client.start();
  client.answerAll();
  client.read();
  expect(client.session.settled).toBe(true);
  return { harness, client };
}

describe.each(['delta', 'sotw'] as const)('ProxySession, %s', (variant) => {
  it('brings a starting proxy everything it needs', () => {
    const { client } = synced(variant);
    expect(client.bodies(cluster)).toEqual({ a: '', b: '' });
    expect(client.bodies(endpoint)).toEqual({ a: '', b: '' });
    expect(client.bodies(route)).toEqual({ '80': '' });
  });

  it('answers an empty wildcard, so that the proxy stops waiting', () => {
    const client = new SessionHarness().connect(variant);
    client.subscribeAll(cluster);
    expect(client.read()).toEqual(['Cluster: ']);
  });

  it('sends a changed endpoint in one write, past every gate', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.listener('l', 'held back'), put.plainCluster('new')]);
    harness.turn();
    client.read();
    harness.classes.edit([put.endpoint('a', 'moved')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['ClusterLoadAssignment: a']);
  });

  it('adds clusters, their endpoints, listeners, routes in this order, each behind the acknowledgement of the one before', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.cluster('c'), put.endpoint('c'), put.listener('m'), put.route('80', 'to c')]);
    harness.turn();
    const all = variant === 'sotw';
    expect(client.read()).toEqual([all ? 'Cluster: a,b,c' : 'Cluster: c']);
    client.answer();
    expect(client.read()).toEqual(['ClusterLoadAssignment: c']);
    client.answer();
    expect(client.read()).toEqual([all ? 'Listener: l,m' : 'Listener: m']);
    client.answer();
    expect(client.read()).toEqual(['RouteConfiguration: 80']);
    client.answer();
    expect(client.session.settled).toBe(true);
  });

  it('answers a filter by name behind the listener that asks for it, and waits for it', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.filter('waf'), put.listenerWithFilter('l', 'waf', 'filtered')]);
    harness.turn();
    expect(client.read()).toEqual(['Listener: l']);
    client.answer();
    expect(client.read()).toEqual(['TypedExtensionConfig: waf']);
    expect(client.session.settled).toBe(false);
    client.answerAll();
    expect(client.session.settled).toBe(true);

    harness.classes.edit([put.filter('waf', 'stricter'), put.filter('unused'), put.listenerWithFilter('l', 'waf', 'other')]);
    harness.turn();
    client.answer();
    expect(client.read()).toEqual(['Listener: l', 'TypedExtensionConfig: waf']);
    client.answerAll();
    expect(client.bodies(extensionConfig)).toEqual({ waf: 'stricter' });
    expect(client.session.settled).toBe(true);
  });

  it('does not wait for a filter that nothing defines', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.listenerWithFilter('l', 'nowhere', 'filtered')]);
    harness.turn();
    client.answerAll();
    expect(client.read()).toEqual(['Listener: l', ...(variant === 'delta' ? ['TypedExtensionConfig:  -nowhere'] : [])]);
    expect(client.session.settled).toBe(true);
  });

  it('lets a cluster go last, when no route names it any more', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([remove(cluster, 'b'), remove(endpoint, 'b'), put.cluster('a', 'new'), put.route('80', 'only a')]);
    harness.turn();
    const all = variant === 'sotw';
    expect(client.read()).toEqual([
      all ? 'Cluster: a,b' : 'Cluster: a',
      all ? 'ClusterLoadAssignment: a,b' : 'ClusterLoadAssignment: a',
    ]);
    client.answer();
    client.answer();
    expect(client.read()).toEqual(['RouteConfiguration: 80']);
    client.answer();
    expect(client.read()).toEqual([all ? 'Cluster: a' : 'Cluster:  -b']);
    client.answerAll();
    expect(client.read()).toEqual([]);
    expect(client.session.settled).toBe(true);
    expect(client.bodies(cluster)).toEqual({ a: 'new' });
    expect(client.bodies(endpoint)).toEqual({ a: '' });
  });

  it('sends the endpoints of a changed cluster again, or it would warm for ever', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.cluster('a', 'new')]);
    harness.turn();
    expect(client.read()).toEqual([variant === 'sotw' ? 'Cluster: a,b' : 'Cluster: a', 'ClusterLoadAssignment: a']);
  });

  it('answers for endpoints whose cluster went while it was on its way, or it would warm for ever and hold back every ACK', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.cluster('c'), put.endpoint('c')]);
    harness.turn();
    client.read();
    harness.classes.edit([remove(cluster, 'c'), remove(endpoint, 'c')]);
    harness.clock.advance(200);
    harness.turn();
    expect(client.read()).toEqual([]);
    client.subscribe(endpoint, 'c');
    expect(client.read()).toEqual([variant === 'delta' ? 'ClusterLoadAssignment:  -c' : 'ClusterLoadAssignment: c']);
    client.answerAll();
    expect(client.session.settled).toBe(true);
  });

  it('gives a cluster that stays until routes let go of it its last endpoints, where it changed once more before it went', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.cluster('c'), put.endpoint('c')]);
    harness.turn();
    harness.classes.edit([put.cluster('a', 'last'), put.endpoint('a', 'last')]);
    harness.classes.edit([
      remove(cluster, 'a'),
      remove(endpoint, 'a'),
      put.route('80', 'without a'),
      put.cluster('d'),
      put.endpoint('d'),
    ]);
    harness.clock.advance(200);
    harness.turn();
    client.read();
    client.answer();
    const [clusters, endpoints] = client.read();
    if (variant === 'sotw') {
      expect(clusters).toBe('ClusterLoadAssignment: c');
      expect(endpoints).toBe('Cluster: a,b,c,d');
      client.answer();
      client.answer();
      expect(client.bodies(cluster)).toMatchObject({ a: 'last' });
      client.answer();
      expect(client.bodies(endpoint)).toMatchObject({ a: 'last' });
    }
    client.answerAll();
    expect(client.session.settled).toBe(true);
    expect(Object.keys(client.bodies(cluster))).toEqual(['b', 'c', 'd']);
  });

  it('answers a changed cluster even with endpoints that were refused before, and only then', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.endpoint('a', 'bad')], 'endpoints');
    harness.turn();
    client.answer('no such address');
    client.read();
    harness.classes.edit([put.cluster('a', 'new')]);
    harness.clock.advance(200);
    harness.turn();
    expect(client.read()).toEqual([variant === 'sotw' ? 'Cluster: a,b' : 'Cluster: a', 'ClusterLoadAssignment: a']);
    client.answer();
    client.answer('no such address');
    expect(client.session.types[endpoint].rejections.get('a')).toMatchObject({ message: 'no such address' });
    harness.classes.edit([put.endpoint('b', 'fine')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['ClusterLoadAssignment: b']);
  });

  it('opens a gate by itself when the proxy acknowledges late', () => {
    const { harness, client } = synced(variant, { gateTimeoutMs: 1000 });
    harness.classes.edit([put.plainCluster('c'), put.listener('m')]);
    harness.turn();
    client.read();
    harness.clock.advance(999);
    expect(client.read()).toEqual([]);
    harness.clock.advance(1);
    expect(client.read()).toEqual([variant === 'sotw' ? 'Listener: l,m' : 'Listener: m']);
    client.answerAll();
    harness.disconnect(client);
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('has one response of a type on its way and merges what comes meanwhile', () => {
    const { harness, client } = synced(variant);
    for (const body of ['1', '2', '3']) {
      harness.classes.edit([put.endpoint('a', body)], 'endpoints');
      harness.turn();
    }
    harness.classes.edit([put.endpoint('b', '1')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['ClusterLoadAssignment: a']);
    client.answer();
    expect(client.read()).toEqual(['ClusterLoadAssignment: a,b']);
    client.answer();
    expect(client.bodies(endpoint)).toEqual({ a: '3', b: '1' });
  });

  it('writes nothing while the stream is full', () => {
    const { harness, client } = synced(variant);
    client.writable = false;
    harness.classes.edit([put.endpoint('a', '1')], 'endpoints');
    harness.turn();
    client.answer();
    harness.classes.edit([put.endpoint('a', '2'), put.cluster('c')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['ClusterLoadAssignment: a']);
    client.writable = true;
    client.session.drained();
    expect(client.read()).toEqual([variant === 'sotw' ? 'Cluster: a,b,c' : 'Cluster: c', 'ClusterLoadAssignment: a']);
  });

  it('pushes a name that did not exist when it was asked for', () => {
    const { harness, client } = synced(variant);
    client.subscribe(route, 'later');
    expect(client.read()).toEqual(variant === 'delta' ? ['RouteConfiguration:  -later'] : []);
    client.answerAll();
    harness.classes.edit([put.route('later', 'here')]);
    harness.turn();
    expect(client.read()).toEqual(['RouteConfiguration: later']);
  });

  it('ignores a repeated and an invented nonce', async () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.endpoint('a', '1')], 'endpoints');
    harness.turn();
    client.request(endpoint, [], [], '1');
    client.request(endpoint, [], [], '4711');
    client.request(endpoint, [], [], 'made up');
    harness.classes.edit([put.endpoint('a', '2')], 'endpoints');
    harness.turn();
    expect(client.read()).toEqual(['ClusterLoadAssignment: a']);
    expect((await harness.metrics.expiredNonces.get()).values).toMatchObject([{ value: 1, labels: { type: 'eds' } }]);
    expect((await harness.metrics.inventedNonces.get()).values).toMatchObject([{ value: 2, labels: { type: 'eds' } }]);
  });

  it('holds a refused version back until its bytes change, and lets its siblings be', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.plainCluster('bad', '1'), put.plainCluster('good', '1')]);
    harness.turn();
    client.read();
    client.answer('Error adding/updating cluster(s) bad: no such thing');
    expect(client.session.types[cluster].rejections.get('bad')).toMatchObject({ message: 'no such thing', resource: 'bad' });
    expect(client.session.types[cluster].rejections.size).toBe(1);
    expect(client.read()).toEqual([]);
    harness.classes.edit([put.plainCluster('good', '2')]);
    harness.clock.advance(200);
    harness.turn();
    expect(client.read()).toEqual([variant === 'sotw' ? 'Cluster: a,b,bad,good' : 'Cluster: good']);
    client.answer(variant === 'sotw' ? 'Error adding/updating cluster(s) bad: no such thing' : undefined);
    harness.classes.edit([put.plainCluster('bad', '2')]);
    harness.clock.advance(200);
    harness.turn();
    expect(client.read()).toEqual([variant === 'sotw' ? 'Cluster: a,b,bad,good' : 'Cluster: bad']);
    client.answer();
    expect(client.session.settled).toBe(true);
  });

  it('forgets a refusal when the resource goes', () => {
    const { harness, client } = synced(variant);
    harness.classes.edit([put.plainCluster('bad')]);
    harness.turn();
    client.answer('Error adding/updating cluster(s) bad: no');
    harness.classes.edit([remove(cluster, 'bad')]);
    harness.clock.advance(200);
    harness.turn();
    client.answerAll();
    expect(client.session.types[cluster].rejections.size).toBe(0);
    expect(client.session.settled).toBe(true);
  });

  it('finds the culprit of a refusal that names none, and brings its siblings through', () => {
    const { harness, client } = synced(variant);
    client.subscribe(route, 'r1', 'r2', 'r3', 'r4', 'r5');
    client.answerAll();
    harness.classes.edit(['r1', 'r2', 'r3', 'r4', 'r5'].map((name) => put.route(name, name === 'r4' ? 'bad' : 'good')));
    harness.turn();
    for (let answers = 0; client.inbox.length > 0; answers++) {
      expect(answers).toBeLessThan(12);
      client.answer(client.inbox[0]!.resources.has('r4') ? 'Only unique domains are permitted' : undefined);
    }
    expect(client.bodies(route)).toEqual({ '80': '', r1: 'good', r2: 'good', r3: 'good', r5: 'good' });
    expect([...client.session.types[route].rejections.values()].map(({ resource }) => resource)).toEqual(['r4']);
  });

  it('gives a search up at its limit and holds the rest refused', () => {
    const { harness, client } = synced(variant, { isolationLimit: 4 });
    const names = Array.from({ length: 40 }, (_, index) => `r${index}`);
    client.subscribe(route, ...names);
    client.answerAll();
    harness.classes.edit(names.map((name) => put.route(name)));
    harness.turn();
    let answers = 0;
    for (; client.inbox.length > 0; answers++) client.answer('all of it is bad');
    expect(answers).toBeLessThan(12);
    expect(client.session.types[route].rejections.size).toBe(40);
  });

  it('takes a proxy to another class with only what differs', () => {
    const { harness, client } = synced(variant);
    const other = harness.classes.at('other');
    for (const { put: resource } of [put.cluster('a'), put.endpoint('a'), put.listener('l', 'other'), put.route('80')])
      other.put(resource);
    harness.classes.changeMembership(() => 'other');
    harness.turn();
    expect(client.read()).toEqual(['Listener: l']);
    client.answer();
    expect(client.read()).toEqual([variant === 'sotw' ? 'Cluster: a' : 'Cluster:  -b']);
    client.answerAll();
    expect(client.session.settled).toBe(true);
    expect(harness.classes.at('main').members).toBe(0);
  });
});

describe('ProxySession, delta', () => {
  it('takes a filter away from a listener that still asks for it, and from no other: its old connections may use it', () => {
    const { harness, client } = synced('delta');
    harness.classes.edit(['a', 'b'].flatMap((name) => [put.filter(name), put.listenerWithFilter(name, name)]));
    harness.turn();
    client.answerAll();
    client.read();
    // A proxy that drains the listener's earlier version has not let go of its filter yet.
    const { unsubscribe } = client;
    client.unsubscribe = (typeUrl, ...names) => typeUrl !== extensionConfig && unsubscribe.call(client, typeUrl, ...names);
    harness.classes.edit([remove(extensionConfig, 'a'), remove(extensionConfig, 'b'), put.listener('b', 'unfiltered')]);
    harness.turn();
    client.answerAll();
    expect(client.read()).toEqual(['Listener: b', 'TypedExtensionConfig:  -a']);
    expect(client.session.settled).toBe(true);
    harness.classes.edit([put.listenerWithFilter('b', 'b', 'filtered again')]);
    harness.turn();
    client.answerAll();
    expect(client.read()).toEqual(['Listener: b', 'TypedExtensionConfig:  -b']);
  });

  it('sends nothing twice to a proxy that comes back, and takes away what went meanwhile', () => {
    const { harness, client } = synced('delta');
    harness.disconnect(client);
    harness.classes.edit([put.cluster('a', 'new'), remove(cluster, 'b'), remove(endpoint, 'b'), put.route('80', 'only a')]);
    harness.turn();
    const again = harness.connect('delta', 'proxy', client);
    again.start();
    const written = again.read();
    again.answerAll();
    expect(written).toEqual(['Cluster: a', 'ClusterLoadAssignment: a', 'Listener: ', 'RouteConfiguration: 80']);
    expect(again.read()).toEqual(['Cluster:  -b']);
    expect(again.bodies(cluster)).toEqual({ a: 'new' });
    expect(again.session.settled).toBe(true);
  });

  it('answers a name given up under the wildcard with what the wildcard holds', () => {
    const { client } = synced('delta');
    client.request(cluster, ['a', 'nowhere']);
    client.answerAll();
    expect(client.read()).toEqual(['Cluster: a -nowhere', 'ClusterLoadAssignment: a']);
    client.request(cluster, [], ['a', 'nowhere']);
    expect(client.read()[0]).toBe('Cluster: a -nowhere');
  });

  it('asks a proxy that is too far behind to start over', () => {
    const { harness, client } = synced('delta');
    harness.classes.edit([put.plainCluster('x')]);
    harness.turn();
    for (let index = 0; index < 2000; index++) {
      harness.classes.edit([put.plainCluster(`c${index}`)], 'endpoints');
      harness.turn();
      harness.classes.edit([remove(cluster, `c${index}`)], 'endpoints');
      harness.turn();
    }
    expect(() => client.answerAll()).toThrow('must say again what it holds');
  });
});
