import { fromBinary } from '@bufbuild/protobuf';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ControlPlane, createControlPlane } from './control-plane.ts';
import { ClusterSchema } from './envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { typeUrls } from './envoy/resource.ts';
import { defaultMeshConfig } from './mesh/mesh-config.ts';
import { objectKey } from './mesh/object-key.ts';
import { Cache } from './runtime/cache/cache.ts';
import { systemClock } from './runtime/clock.ts';
import { silentLogger } from './runtime/logger.ts';
import { objectName } from './runtime/object.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { everyKind, kindOf, parseObjects } from './testing/load-mesh.ts';
import { AdsClient } from './xds/testing/ads-client.ts';

const cluster = 'outbound|80||api.example.com';
const key = objectKey('EnvoyFilter', 'shop', 'timeouts');

/** Sets a timeout of every cluster of the namespace's proxies. */
function filterAt(generation: number, connectTimeout: string, extra = '') {
  return parseObjects(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: timeouts, namespace: shop, generation: ${generation}, resourceVersion: "${generation}" }
spec:
  configPatches:
  - applyTo: CLUSTER
    match: { context: SIDECAR_OUTBOUND, cluster: { service: api.example.com } }
    patch: { operation: MERGE, value: { connect_timeout: ${connectTimeout} } }
${extra}`);
}

const scope = (name: string) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: ${name}, namespace: shop }
spec: { workloadSelector: { labels: { app: ${name} } }, egress: [{ hosts: ["./*"] }] }`;

describe('a generation of an EnvoyFilter, from the cache to the status', () => {
  let plane: ControlPlane;
  let cache: Cache;
  let address: string;
  let stop: AbortController;
  let running: Promise<unknown>;
  let clients: AdsClient[];
  /** What a client says to a cluster with this timeout, in seconds. */
  let refuses: number | undefined;

  beforeEach(async () => {
    stop = new AbortController();
    cache = new Cache();
    clients = [];
    refuses = undefined;
    const registry = new Registry();
    const options = { cache, config: defaultMeshConfig, clock: systemClock, logger: silentLogger, registry, isCluster: true };
    plane = createControlPlane({ ...options, rollout: { canaries: 3, deadlineMs: 60_000 } });
    running = Promise.all(plane.controllers.map((controller) => controller.start(stop.signal)));
    for (const kind of everyKind) cache.store(kind).replace([]);
    apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: shop }
spec:
  hosts: [api.example.com]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints: [{ address: 10.0.0.9 }]`);
    ({ address } = await plane.xds.listen('127.0.0.1', 0));
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    stop.abort();
    await running;
    await plane.xds.close({ deadlineMs: 1000 });
    plane.close();
  });

  function apply(...texts: string[]): void {
    for (const object of texts.flatMap(parseObjects)) cache.store(kindOf(object)).apply(object);
  }

  function applyFilter(...args: Parameters<typeof filterAt>): void {
    for (const object of filterAt(...args)) cache.store(kindOf(object)).apply(object);
  }

  /** Proxies, each in a class of its own by a Sidecar of its own. */
  async function connect(count: number): Promise<void> {
    for (let index = clients.length, last = index + count; index < last; index++) {
      apply(scope(`w${index}`));
      const client = new AdsClient({
        address,
        variant: 'delta',
        node: {
          id: `sidecar~10.0.1.${index}~w${index}.shop~shop.svc.cluster.local`,
          metadata: { NAMESPACE: 'shop', LABELS: { app: `w${index}` } },
        },
        follow: true,
        judge: ({ typeUrl, resources }) => {
          const isRefused = typeUrl === typeUrls.cluster && refuses !== undefined && timeoutIn(resources) === refuses;
          return isRefused ? { nack: 'Error adding/updating cluster(s) outbound|80||api.example.com: no such timeout' } : 'ack';
        },
      });
      clients.push(client);
      client.subscribeAll(typeUrls.cluster);
      client.subscribeAll(typeUrls.listener);
    }
    await eventually(() => expect(timeouts()).toHaveLength(clients.length));
    await eventually(() =>
      expect(plane.xds.proxies().every(({ types }) => types.every(({ state }) => isAtRest(state)))).toBe(true),
    );
  }

  const isAtRest = (state: string) => state === 'synced' || state === 'not subscribed';

  /** Each client's connect timeout of the cluster, in seconds. */
  function timeouts(): (number | undefined)[] {
    return clients.flatMap((client) => {
      const { resources } = client.of(typeUrls.cluster);
      return resources.has(cluster) ? [timeoutIn(resources)] : [];
    });
  }

  const conditions = () =>
    Object.fromEntries(
      (plane.status.get(key)?.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
    );
  const message = (type: string) => plane.status.get(key)?.conditions?.find((each) => each.type === type)?.message;

  it('is tried by three proxies, goes to the rest when they have taken it, and is then ready', async () => {
    await connect(6);
    const held = new Set<number>();
    const taken: number[] = [];
    for (const [index, client] of clients.entries()) {
      client.judgeBy(({ typeUrl, resources }) => {
        if (typeUrl !== typeUrls.cluster || timeoutIn(resources) !== 2) return 'ack';
        taken.push(index);
        if (taken.length <= 3) held.add(index);
        return taken.length <= 3 ? 'hold' : 'ack';
      });
    }
    applyFilter(1, '2s');
    await eventually(() => expect(held.size).toBe(3));
    await eventually(() => expect(conditions()).toMatchObject({ Programmed: 'False Pending', Ready: 'False Propagating' }));
    expect(message('Programmed')).toBe('generation 1 is on trial with 3 proxies; the rest is served nothing of this object');
    expect(plane.status.get(key)?.propagation).toMatchObject({ affected: 6, acked: 0, pending: 6 });
    expect(taken).toHaveLength(3);
    for (const index of held) {
      const client = clients[index]!;
      client.answer(client.responses.findLast(({ typeUrl }) => typeUrl === typeUrls.cluster)!, 'ack');
    }
    await eventually(() => expect(timeouts()).toEqual([2, 2, 2, 2, 2, 2]));
    await eventually(() => expect(conditions()).toMatchObject({ Programmed: 'True Programmed', Ready: 'True Propagated' }));
    expect(plane.status.get(key)?.propagation).toMatchObject({ affected: 6, acked: 6, pending: 0 });
  });

  it('is taken back when a proxy refuses it: everybody keeps the one before, new proxies too, until it is mended', async () => {
    await connect(5);
    applyFilter(1, '2s');
    await eventually(() => expect(conditions()).toMatchObject({ Ready: 'True Propagated' }));
    refuses = 3;
    applyFilter(2, '3s');
    await eventually(() =>
      expect(conditions()).toMatchObject({ Programmed: 'False Quarantined', Stalled: 'True ProxyRejected' }),
    );
    expect(message('Programmed')).toMatch(
      /^shop\/w\d refused outbound\|80\|\|api\.example\.com of generation 2: Error .* no such timeout \(every proxy is served generation 1\)$/,
    );
    await eventually(() => expect(timeouts()).toEqual([2, 2, 2, 2, 2]));
    await connect(1);
    expect(timeouts()).toEqual([2, 2, 2, 2, 2, 2]);
    expect(plane.status.get(key)?.propagation).toMatchObject({ affected: 6, acked: 0, rejected: 1, pending: 5 });
    applyFilter(3, '4s');
    await eventually(() => expect(timeouts()).toEqual([4, 4, 4, 4, 4, 4]));
    await eventually(() => expect(conditions()).toMatchObject({ Programmed: 'True Programmed', Ready: 'True Propagated' }));
  });

  it('is taken back from everybody when a proxy that comes later refuses it', async () => {
    await connect(2);
    applyFilter(1, '2s');
    applyFilter(2, '3s');
    await eventually(() => expect(timeouts()).toEqual([3, 3]));
    await eventually(() => expect(conditions()).toMatchObject({ Ready: 'True Propagated' }));
    for (const client of clients) client.judgeBy(() => 'ack');
    refuses = 3;
    await connect(1).catch(() => {});
    await eventually(() => expect(conditions()).toMatchObject({ Programmed: 'False Quarantined' }));
    await eventually(() => expect(timeouts()).not.toContain(3));
  });

  it('is taken back from everybody when the status says that another replica quarantined it, in the same words', async () => {
    await connect(2);
    applyFilter(1, '2s');
    await eventually(() => expect(timeouts()).toEqual([2, 2]));
    applyFilter(2, '3s');
    await eventually(() => expect(timeouts()).toEqual([3, 3]));
    await eventually(() => expect(conditions()).toMatchObject({ Ready: 'True Propagated' }));
    const told = 'shop/far refused it of generation 2: no (every proxy is served generation 1)';
    const condition = { type: 'Programmed', status: 'False', reason: 'Quarantined', message: told, observedGeneration: 2 };
    for (const object of filterAt(2, '3s')) {
      const metadata = { ...object.metadata, resourceVersion: '3' };
      cache.store(kindOf(object)).apply(Object.assign({ ...object, metadata }, { status: { conditions: [condition] } }));
    }
    await eventually(() => expect(timeouts()).toEqual([2, 2]));
    await eventually(() =>
      expect(conditions()).toMatchObject({ Programmed: 'False Quarantined', Stalled: 'True ProxyRejected' }),
    );
    expect(message('Programmed')).toBe(told);
    await connect(1);
    expect(timeouts()).toEqual([2, 2, 2]);
  });

  it('is in force for a proxy that connects before the first push, and goes on no trial with it', async () => {
    applyFilter(1, '2s');
    await eventually(() => expect(plane.mesh.get(key)).toBeDefined());
    await connect(1);
    expect(timeouts()).toEqual([2]);
    expect(clients[0]!.responses.filter(({ typeUrl }) => typeUrl === typeUrls.cluster)).toHaveLength(1);
  });

  it('names a patch that matches nothing, and is ready all the same', async () => {
    await connect(1);
    const other = `  - applyTo: CLUSTER
    match: { cluster: { service: nowhere.example.com } }
    patch: { operation: REMOVE }`;
    applyFilter(1, '2s', other);
    await eventually(() =>
      expect(conditions()).toMatchObject({ ResolvedRefs: 'False PatchTargetNotFound', Ready: 'True Propagated' }),
    );
    expect(message('ResolvedRefs')).toBe(
      'spec.configPatches[1] matches nothing in the configuration of any proxy that it is for',
    );
  });

  it('goes from everybody at once when it is deleted', async () => {
    await connect(5);
    const [before] = timeouts();
    applyFilter(1, '2s');
    await eventually(() => expect(timeouts()).toEqual([2, 2, 2, 2, 2]));
    for (const object of filterAt(1, '2s')) cache.store(kindOf(object)).delete(objectName(object));
    await eventually(() => expect(timeouts()).toEqual(Array.from({ length: 5 }, () => before)));
  });
});

function timeoutIn(resources: ReadonlyMap<string, { readonly value: Uint8Array }>): number | undefined {
  const resource = resources.get(cluster);
  return resource && Number(fromBinary(ClusterSchema, resource.value).connectTimeout?.seconds ?? 0);
}
