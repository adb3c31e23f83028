import { setImmediate as nextTurn } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { typeUrls } from '../envoy/resource.ts';
import { systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { parseObjects, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import { MeshClasses } from './mesh-classes.ts';
import { createXdsServer, type XdsServer } from './server.ts';
import { AdsClient } from './testing/ads-client.ts';

const { cluster, extensionConfig, listener } = typeUrls;
let test: TestMesh;
let classes: MeshClasses;
let server: XdsServer;
let address: string;
let clients: AdsClient[];
let generation = 1;

beforeEach(async () => {
  test = await startTestMesh();
  clients = [];
  classes = new MeshClasses(test.mesh);
  server = createXdsServer({ classes, clock: systemClock, logger: silentLogger, registry: new Registry() });
  address = (await server.listen('127.0.0.1', 0)).address;
  await test.apply(
    ...parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a, namespace: shop }
spec:
  hosts: [a.example.com, b.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]`),
  );
});
afterEach(async () => {
  for (const client of clients) client.close();
  await server.close({ deadlineMs: 1000 });
  expect(classes.size).toEqual({ bases: 0, classes: 0, members: 0 });
  await test.stop();
});

const filter = (name: string, namespace: string, ...patches: string[]) =>
  parseObjects(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: ${name}, namespace: ${namespace}, generation: ${++generation}, resourceVersion: "${generation}" }
spec: { configPatches: [${patches.join(', ')}] }`);
const timeout = (host: string, seconds: number) =>
  `{ applyTo: CLUSTER, match: { cluster: { service: ${host} } }, patch: { operation: MERGE, value: { connect_timeout: ${seconds}s } } }`;

describe.each(['delta', 'sotw'] as const)('proxies under EnvoyFilters, %s', (variant) => {
  async function connect(name: string, namespace: string): Promise<AdsClient> {
    const id = `sidecar~10.1.1.${clients.length}~${name}.${namespace}~${namespace}.svc.cluster.local`;
    const client = new AdsClient({ address, variant, node: { id }, follow: true });
    clients.push(client);
    client.subscribeAll(cluster);
    client.subscribeAll(listener);
    await synced();
    return client;
  }

  async function synced(): Promise<void> {
    const isSynced = () =>
      server.ledger.propagation('any').current &&
      server.proxies().length === clients.length &&
      server.proxies().every(({ types }) => types.every(({ state }) => state === 'synced' || state === 'not subscribed'));
    do await nextTurn();
    while (!isSynced());
  }

  /** What each client is sent by a change, by type; over state of the world clusters and listeners come complete. */
  async function sentBy(...objects: Parameters<TestMesh['apply']>): Promise<string[][]> {
    for (const client of clients) client.responses.length = 0;
    await test.apply(...objects);
    await synced();
    return clients.map(({ responses }) =>
      responses.map(({ typeUrl, resources }) => `${typeUrl.split('.').at(-1)}: ${[...resources.keys()].sort()}`),
    );
  }

  it('keep their streams and get what a filter changed, and nothing else', async () => {
    await connect('one', 'shop');
    await connect('two', 'shop');
    await connect('elsewhere', 'client');
    const before = server.proxies()[0]!.classKey;
    const complete = [...clients[0]!.of(cluster).resources.keys()].sort();
    const clusters = `Cluster: ${variant === 'delta' ? 'outbound|80||a.example.com' : complete}`;
    // A changed cluster warms until its endpoints come again.
    const changed = [clusters, 'ClusterLoadAssignment: outbound|80||a.example.com'];
    const warmed = variant === 'delta' ? changed : [clusters, expect.stringMatching(/^ClusterLoadAssignment: /)];
    expect(await sentBy(...filter('tune', 'shop', timeout('a.example.com', 3)))).toEqual([warmed, warmed, []]);
    expect(server.proxies()[0]!.classKey).toMatch(`${before}|EnvoyFilter/shop/tune@`);
    expect(await sentBy(...filter('tune', 'shop', timeout('a.example.com', 3)))).toEqual([[], [], []]);
    expect(await sentBy(...filter('all', 'istio-system', timeout('a.example.com', 9)))).toEqual([[], [], warmed]);
    expect(server.ledger.propagation('EnvoyFilter/istio-system/all')).toMatchObject({ affected: 3, acked: 3, pending: 0 });
    expect(server.ledger.propagation('EnvoyFilter/shop/tune')).toMatchObject({ affected: 2, acked: 2, pending: 0 });
  });

  it('ask for the filters that a listener had by name, and get their changes alone', async () => {
    const client = await connect('one', 'shop');
    const lua = (code: string) => `{ applyTo: EXTENSION_CONFIG, patch: { operation: ADD, value: { name: waf, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: { inline_string: "${code}" } } } } }`;
    const use = `{ applyTo: HTTP_FILTER, match: { context: SIDECAR_OUTBOUND, listener: { filterChain: { filter: {
      name: envoy.filters.network.http_connection_manager } } } }, patch: { operation: INSERT_FIRST, value: { name: waf, config_discovery: {
      config_source: { ads: {}, resource_api_version: V3 }, type_urls: [type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua] } } } }`;
    const [sent] = await sentBy(...filter('waf', 'shop', lua('-- one'), use));
    expect(sent!.map((response) => response.split(':')[0])).toEqual(['Listener', 'TypedExtensionConfig']);
    expect(client.of(extensionConfig).resources.has('waf')).toBe(true);
    expect(await sentBy(...filter('waf', 'shop', lua('-- two'), use))).toEqual([['TypedExtensionConfig: waf']]);
  });
});
