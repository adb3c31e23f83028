import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Resource, typeUrls } from '../envoy/resource.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import type { Logger } from '../runtime/logger.ts';
import { silentLogger } from '../runtime/logger.ts';
import { parseObjects, proxyNode, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import type { PatchedClass } from './classes/patched-class.ts';
import { type FilterSource, filtersOf } from './filter-source.ts';
import { MeshClasses } from './mesh-classes.ts';
import type { ProxyClass } from './proxy-class.ts';

const { cluster, extensionConfig, listener } = typeUrls;
const a = 'outbound|80||a.example.com';

let test: TestMesh;
let generation = 1;

beforeEach(async () => {
  test = await startTestMesh();
  await test.apply(
    ...parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a, namespace: shop }
spec:
  hosts: [a.example.com, b.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: tls, protocol: TLS }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]`),
  );
});
afterEach(() => test.stop());

/** An EnvoyFilter's next generation; `patches` are flow YAML. */
function filter(name: string, patches: readonly string[], { namespace = 'shop', labels = '', priority = 0 } = {}) {
  return parseObjects(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: ${name}, namespace: ${namespace}, generation: ${++generation}, resourceVersion: "${generation}" }
spec:
  priority: ${priority}
  ${labels ? `workloadSelector: { labels: ${labels} }` : ''}
  configPatches: [${patches.join(', ')}]`);
}
const timeout = (seconds: number, match = '{ cluster: { service: a.example.com } }') =>
  `{ applyTo: CLUSTER, match: ${match}, patch: { operation: MERGE, value: { connect_timeout: ${seconds}s } } }`;
const added = (name: string) =>
  `{ applyTo: CLUSTER, patch: { operation: ADD, value: { name: "${name}", connect_timeout: 7s } } }`;
const removed = (service: string) =>
  `{ applyTo: CLUSTER, match: { cluster: { service: ${service} } }, patch: { operation: REMOVE } }`;

const node = (name: string, extra: Partial<ProxyNode> = {}) => proxyNode({ namespace: 'shop', name, ...extra });
const resource = (proxyClass: ProxyClass, name = a, typeUrl: string = cluster): Resource | undefined =>
  proxyClass.table(typeUrl as typeof cluster).get(name);
/** Every resource of a class, to compare by identity. */
const everything = (proxyClass: ProxyClass) =>
  Object.values(typeUrls).flatMap((typeUrl) => [...proxyClass.table(typeUrl).values()]);

describe('classes of one base', () => {
  it('share it, and every resource that no patch touches', async () => {
    const classes = new MeshClasses(test.mesh);
    const plain = classes.join(node('plain'));
    await test.apply(...filter('web', [timeout(3)], { labels: '{ app: web }' }));
    classes.refresh();
    const patched = classes.join(node('web', { labels: { app: 'web' } }));
    expect(classes.size).toEqual({ bases: 1, classes: 2, members: 2 });
    expect(patched.key).toMatch(new RegExp(`^${plain.key.replaceAll('|', '\\|')}\\|EnvoyFilter/shop/web@`));
    const differing = everything(patched).filter((each) => !everything(plain).includes(each));
    expect(differing.map(({ name }) => name)).toEqual([a, 'outbound|443||a.example.com']);
    expect(differing[0]!.provenance).toContain('EnvoyFilter/shop/web');
    expect(resource(plain)!.provenance).toEqual(['ServiceEntry/shop/a']);
  });

  it('are told of a change of the mesh once, and patch what it touches', async () => {
    const classes = new MeshClasses(test.mesh);
    await test.apply(...filter('web', [timeout(3)], { labels: '{ app: web }' }));
    const plain = classes.join(node('plain'));
    const patched = classes.join(node('web', { labels: { app: 'web' } }));
    const before = resource(patched);
    test.mesh.setConfig({ ...test.mesh.config, connectTimeoutMs: 1 });
    expect(classes.refresh()).toMatchObject({ changed: [plain, patched], moved: [] });
    expect(resource(patched)).not.toBe(before);
    // The filter's timeout wins over that of the config.
    expect(resource(patched)!.version).toBe(before!.version);
  });

  it('go with their last members, the base with its last class', async () => {
    const classes = new MeshClasses(test.mesh);
    await test.apply(...filter('web', [timeout(3)], { labels: '{ app: web }' }));
    const [first, second] = [node('plain'), node('web', { labels: { app: 'web' } })];
    const [plain, patched] = [classes.join(first), classes.join(second)];
    classes.leave(plain, first);
    expect(classes.size).toEqual({ bases: 1, classes: 1, members: 1 });
    classes.leave(patched, second);
    expect(classes.size).toEqual({ bases: 0, classes: 0, members: 0 });
  });
});

describe('a changed filter', () => {
  it('re-keys a class of which all members get it, and patches it in place', async () => {
    const classes = new MeshClasses(test.mesh);
    const nodes = [node('one'), node('two')];
    const [joined] = nodes.map((each) => classes.join(each));
    const unpatched = joined!.key;
    for (const seconds of [3, 4]) {
      await test.apply(...filter('tune', [timeout(seconds)]));
      const at = joined!.revision;
      expect(classes.refresh()).toMatchObject({ changed: [joined], moved: [] });
      expect(classes.classKeyOf(nodes[0]!)).toBe(joined!.key);
      const delta = joined!.table(cluster).since(at)!;
      expect(delta.changed.map(({ name }) => name).sort()).toEqual(['outbound|443||a.example.com', a]);
      expect(delta.removed).toEqual([]);
      expect(joined!.table(listener).since(at)).toEqual({ changed: [], removed: [] });
      expect(joined!.footprint('EnvoyFilter/shop/tune')).toEqual({
        names: new Map([[cluster, new Set([a, 'outbound|443||a.example.com'])]]),
        required: new Map([[cluster, joined!.revision]]),
      });
    }
    await test.remove(...filter('tune', [timeout(4)]));
    expect(classes.refresh()).toMatchObject({ changed: [joined], moved: [] });
    expect(joined!.key).toBe(unpatched);
    expect(everything(joined!)).toEqual(everything(new MeshClasses(test.mesh).join(nodes[0]!)));
  });

  it('changes nothing where its bytes come out the same, and does not wait for anyone', async () => {
    const classes = new MeshClasses(test.mesh);
    await test.apply(...filter('tune', [timeout(3)]));
    const joined = classes.join(node('one'));
    const before = joined.footprint('EnvoyFilter/shop/tune');
    await test.apply(...filter('tune', [timeout(3)]));
    expect(classes.refresh()).toMatchObject({ changed: [], moved: [] });
    expect(joined.footprint('EnvoyFilter/shop/tune')).toEqual(before);
  });

  it('moves those of a class that it tells apart, and says how the two classes differ', async () => {
    const classes = new MeshClasses(test.mesh);
    const [one, two] = [node('one', { labels: { app: 'web' } }), node('two')];
    const [from] = [classes.join(one), classes.join(two)];
    await test.apply(...filter('web', [timeout(3), added('extra'), removed('b.example.com')], { labels: '{ app: web }' }));
    expect(classes.wouldChange(from, one)).toBe(true);
    expect(classes.wouldChange(from, two)).toBe(false);
    expect(classes.refresh()).toMatchObject({ changed: [], moved: [one] });
    const to = classes.join(one) as PatchedClass;
    classes.leave(from, one);
    const there = from.compare!(to, cluster)!;
    expect([...there.changed].sort()).toEqual(['extra', 'outbound|443||a.example.com', a]);
    expect(there.removed.map(({ name }) => name).sort()).toEqual(['outbound|443||b.example.com', 'outbound|80||b.example.com']);
    expect(from.compare!(to, listener)).toEqual({ changed: [], removed: [] });
    const back = to.compare(from, cluster)!;
    expect(back.removed.map(({ name }) => name)).toEqual(['extra']);
  });

  it('concerns the proxies of its namespace, of the root namespace all', async () => {
    const asked: string[] = [];
    const filters: FilterSource = {
      select: (each) => {
        asked.push(each.name);
        return filtersOf(test.mesh).select(each);
      },
    };
    const classes = new MeshClasses(test.mesh, silentLogger, filters);
    const names = ['shop', 'client', 'elsewhere'];
    for (const name of names) classes.join(proxyNode({ name, namespace: name, ipAddresses: [`10.1.1.${names.indexOf(name)}`] }));
    const askedBy = async (...objects: Parameters<TestMesh['apply']>) => {
      await test.apply(...objects);
      asked.length = 0;
      classes.refresh();
      return [...asked];
    };
    expect(await askedBy(...filter('tune', [timeout(3)]))).toEqual(['shop']);
    expect(await askedBy(...filter('tune', [timeout(3)], { namespace: 'istio-system' }))).toEqual(names);
    const [sidecar] = parseObjects(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: client }
spec: { egress: [{ hosts: ['shop/*'] }] }`);
    expect(await askedBy(sidecar!)).toEqual(['client']);
    const [entry] = parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: inside, namespace: shop }
spec:
  hosts: [inside.example.com]
  location: MESH_INTERNAL
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.1.1.2 }, { address: 10.77.0.1 }]`);
    expect(await askedBy(entry!)).toEqual(['elsewhere']);
  });
});

describe('what a filter adds', () => {
  it('comes and goes with the filter, and yields to a name of the mesh', async () => {
    const classes = new MeshClasses(test.mesh);
    const joined = classes.join(node('one'));
    const config = `{ applyTo: EXTENSION_CONFIG, patch: { operation: ADD, value: { name: waf, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua } } } }`;
    const late = 'outbound|80||late.example.com';
    await test.apply(...filter('more', [added('extra'), added(late), config]));
    classes.refresh();
    const names = () => ['extra', late].map((name) => resource(joined, name)?.provenance[0]);
    expect(names()).toEqual(['EnvoyFilter/shop/more', 'EnvoyFilter/shop/more']);
    expect(resource(joined, 'waf', extensionConfig)).toBeDefined();
    const [entry] = parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: late, namespace: shop }
spec: { hosts: [late.example.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: DNS }`);
    await test.apply(entry!);
    classes.refresh();
    expect(names()).toEqual(['EnvoyFilter/shop/more', 'ServiceEntry/shop/late']);
    expect([...classes.patchReport('EnvoyFilter/shop/more')!.failed.keys()]).toEqual([1]);
    await test.remove(entry!);
    classes.refresh();
    expect(names()).toEqual(['EnvoyFilter/shop/more', 'EnvoyFilter/shop/more']);
    await test.remove(...filter('more', [added('extra')]));
    classes.refresh();
    expect(names()).toEqual([undefined, undefined]);
    expect(resource(joined, 'waf', extensionConfig)).toBeUndefined();
    expect(joined.footprint('EnvoyFilter/shop/more')).toMatchObject({ names: new Map() });
  });

  it('takes the place of what another patch removes', async () => {
    const classes = new MeshClasses(test.mesh);
    await test.apply(...filter('instead', [removed('a.example.com'), added(a)]));
    const joined = classes.join(node('one'));
    expect(resource(joined)!.provenance).toEqual(['EnvoyFilter/shop/instead']);
    const held = resource(joined);
    test.mesh.setConfig({ ...test.mesh.config, connectTimeoutMs: 1 });
    classes.refresh();
    expect(resource(joined)).toBe(held);
    await test.apply(...filter('instead', [removed('a.example.com')]));
    classes.refresh();
    expect(resource(joined)).toBeUndefined();
  });
});

describe('patchReport', () => {
  it('tells what matched in some class, of the newest version only', async () => {
    const classes = new MeshClasses(test.mesh);
    expect(classes.patchReport('EnvoyFilter/shop/tune')).toBeUndefined();
    await test.apply(
      ...filter('tune', [timeout(3), timeout(3, '{ cluster: { service: nowhere.example.com } }'), removed('b.example.com')]),
    );
    expect(classes.patchReport('EnvoyFilter/shop/tune')).toBeUndefined();
    classes.join(node('one'));
    expect(classes.patchReport('EnvoyFilter/shop/tune')).toEqual({ classes: 1, matched: new Set([0, 2]), failed: new Map() });
    await test.apply(...filter('tune', [timeout(3)]));
    expect(classes.patchReport('EnvoyFilter/shop/tune')).toBeUndefined();
    classes.refresh();
    expect(classes.patchReport('EnvoyFilter/shop/tune')).toEqual({ classes: 1, matched: new Set([0]), failed: new Map() });
  });

  it('tells of a filter that selects proxies and fits none of them, by context, version or metadata', async () => {
    const classes = new MeshClasses(test.mesh);
    const key = 'EnvoyFilter/shop/unfit';
    const matching = (match: string) => timeout(3, match);
    await test.apply(
      ...filter('unfit', [matching('{ context: GATEWAY }'), matching('{ proxy: { proxyVersion: "^1\\\\.1" } }')], {
        labels: '{ app: web }',
      }),
    );
    classes.refresh();
    classes.join(proxyNode({ namespace: 'client', labels: { app: 'web' } }));
    classes.join(node('one', { labels: { app: 'other' } }));
    expect(classes.patchReport(key)).toBeUndefined();
    const web = node('two', { labels: { app: 'web' } });
    const joined = classes.join(web);
    expect(classes.patchReport(key)).toEqual({ classes: 0, matched: new Set(), failed: new Map() });
    classes.leave(joined, web);
    expect(classes.patchReport(key)).toBeUndefined();
  });

  it('tells of a patch that fails, which is logged once and costs the others nothing', async () => {
    const logged: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (message, fields) => logged.push([message, fields]) };
    const classes = new MeshClasses(test.mesh, logger);
    const joined = classes.join(node('one'));
    classes.join(proxyNode({ namespace: 'client' }));
    await test.apply(...filter('broken', [added(''), timeout(3), added('PassthroughCluster')], { namespace: 'istio-system' }));
    classes.refresh();
    const report = classes.patchReport('EnvoyFilter/istio-system/broken')!;
    expect(report).toMatchObject({ classes: 2, matched: new Set([1]) });
    expect([...report.failed.keys()]).toEqual([0, 2]);
    expect(report.failed.get(2)).toContain('PassthroughCluster already');
    expect(logged).toHaveLength(2);
    expect(resource(joined)!.provenance).toContain('EnvoyFilter/istio-system/broken');
  });
});

describe('a version on trial', () => {
  const tune = 'EnvoyFilter/shop/tune';

  it('takes those that try it out of their class, shows it as awaited to the rest, and leads all into one class in the end', async () => {
    let isTrial = true;
    const source: FilterSource = {
      select: (each) => {
        const newest = filtersOf(test.mesh).select(each);
        return !isTrial || each.name === 'canary' || !newest.filters.length ? newest : { filters: [], awaiting: [tune] };
      },
    };
    const classes = new MeshClasses(test.mesh, silentLogger, source);
    const [canary, ...others] = [node('canary'), node('other'), node('third')];
    const joined = classes.join(canary!);
    for (const each of others) classes.join(each);

    await test.apply(...filter('tune', [timeout(3)]));
    expect(classes.refresh()).toMatchObject({ changed: [], moved: [canary] });
    const tried = classes.join(canary!);
    classes.leave(joined, canary!);
    expect(joined.footprint(tune)).toMatchObject({ names: new Map(), isAwaiting: true });
    expect(tried.footprint(tune)).toMatchObject({ names: new Map([[cluster, expect.anything()]]) });
    expect(tried.footprint(tune)).not.toHaveProperty('isAwaiting');
    expect(classes.size).toEqual({ bases: 1, classes: 2, members: 3 });

    isTrial = false;
    test.mesh.announce(tune, 'shop');
    expect(classes.refresh()).toMatchObject({ changed: [joined], moved: [canary] });
    expect(classes.join(canary!)).toBe(joined);
    expect(tried.compare!(joined, cluster)).toEqual({ changed: [], removed: [] });
    classes.leave(tried, canary!);
    expect(classes.size).toEqual({ bases: 1, classes: 1, members: 3 });
    expect(joined.footprint(tune)).not.toHaveProperty('isAwaiting');
    for (const each of [canary!, ...others]) classes.leave(joined, each);
    expect(classes.size).toEqual({ bases: 0, classes: 0, members: 0 });
  });
});

describe('a patch for some proxies', () => {
  it('fits by version and metadata, as Istio tells them; one that fits nobody makes no class', async () => {
    const classes = new MeshClasses(test.mesh);
    const of = (metadata: Record<string, unknown>) => classes.classKeyOf(node('one', { metadata }));
    const plain = of({});
    const matching = (match: string) => timeout(3, match);
    await test.apply(
      ...filter('fits', [
        matching('{ proxy: { proxyVersion: "^1\\\\.2[0-9]" } }'),
        matching('{ proxy: { metadata: { TEAM: red } } }'),
        matching('{ context: GATEWAY }'),
      ]),
    );
    expect(of({})).toBe(plain);
    expect(of({ TEAM: 'blue', ISTIO_VERSION: '1.3.0' })).toBe(plain);
    expect(of({ ISTIO_VERSION: '1.24.1' })).toMatch(/:0$/);
    expect(of({ TEAM: 'red' })).toMatch(/:1$/);
    expect(of({ TEAM: 'red', ISTIO_VERSION: '1.24.1' })).toMatch(/EnvoyFilter\/shop\/fits@[^:]*$/);
  });
});
