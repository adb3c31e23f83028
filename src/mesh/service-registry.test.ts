import { afterEach, describe, expect, it } from 'vitest';
import { parseObjects, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import type { MeshConfig } from './mesh-config.ts';
import { explainPrecedence } from './service.ts';

let test: TestMesh;
afterEach(() => test.stop());

/** A mesh with one ServiceEntry for each line `namespace/name: spec fields`, the first the oldest. */
async function meshOf(config: Partial<MeshConfig>, ...entries: string[]): Promise<TestMesh> {
  test = await startTestMesh(config);
  await test.apply(...entries.flatMap((entry, index) => serviceEntry(entry, index)));
  return test;
}

function serviceEntry(entry: string, age: number) {
  const [, namespace, name, spec] = /^(\w+)\/([\w-]+): (.*)$/.exec(entry)!;
  return parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: ${namespace}, name: ${name}, creationTimestamp: "2026-01-0${age + 1}T00:00:00Z" }
spec: { ports: [{ number: 80, name: tcp, protocol: TCP }], ${spec!.includes('resolution:') ? '' : `resolution: STATIC, endpoints: [{ address: 10.0.0.${age + 1} }],`} ${spec} }`);
}

const kubernetesService = () =>
  parseObjects(`
apiVersion: v1
kind: Service
metadata: { namespace: shop, name: a, creationTimestamp: "2026-02-01T00:00:00Z" }
spec: { clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{ port: 80 }] }`);

const outcomesOf = (name: string) => test.mesh.services.outcomes(`ServiceEntry/${name}`);
const chosen = (host: string, namespace: string) => test.mesh.services.choose(host, namespace)?.spec.owner;

describe('two that claim one host', () => {
  it('in one namespace: the older serves, the newer serves nothing and names it', async () => {
    await meshOf({}, 'shop/older: hosts: [a.example.com]', 'shop/newer: hosts: [a.example.com]');
    expect(chosen('a.example.com', 'shop')).toBe('ServiceEntry/shop/older');
    expect(outcomesOf('shop/newer')[0]?.lostHost).toMatchObject({
      winner: { owner: 'ServiceEntry/shop/older' },
      servesOwnNamespace: false,
    });
    expect(outcomesOf('shop/older')[0]?.lostHost).toBeUndefined();
  });

  it('in two namespaces: each prefers its own, the older serves everyone else', async () => {
    await meshOf({}, 'shop/older: hosts: [a.example.com]', 'client/newer: hosts: [a.example.com]');
    expect(['shop', 'client', 'third'].map((namespace) => chosen('a.example.com', namespace))).toEqual([
      'ServiceEntry/shop/older',
      'ServiceEntry/client/newer',
      'ServiceEntry/shop/older',
    ]);
    expect(outcomesOf('client/newer')[0]?.lostHost).toMatchObject({ servesOwnNamespace: true });
  });

  it('private to two namespaces, or private beside a public one: no conflict', async () => {
    await meshOf(
      {},
      'shop/public: hosts: [a.example.com]',
      "client/own: hosts: [a.example.com], exportTo: ['.']",
      "third/own: hosts: [a.example.com], exportTo: ['.']",
    );
    for (const name of ['shop/public', 'client/own', 'third/own']) expect(outcomesOf(name)[0]?.lostHost, name).toBeUndefined();
  });

  it('a Kubernetes Service wins over ServiceEntries, however old they are, save in the namespace of another one', async () => {
    const hosts = 'hosts: [a.shop.svc.cluster.local]';
    await meshOf({}, `shop/squatter: ${hosts}`, `client/own: ${hosts}`);
    await test.apply(...kubernetesService());
    const host = 'a.shop.svc.cluster.local';
    expect(['shop', 'client', 'third'].map((namespace) => chosen(host, namespace))).toEqual([
      'Service/shop/a',
      'ServiceEntry/client/own',
      'Service/shop/a',
    ]);
    const lost = outcomesOf('shop/squatter')[0]!;
    expect(lost.lostHost).toMatchObject({ winner: { owner: 'Service/shop/a' }, servesOwnNamespace: false });
    expect(explainPrecedence(lost.lostHost!.winner, lost.service.spec)).toBe('which wins as a Kubernetes Service');
    await test.remove(...kubernetesService());
    expect(chosen(host, 'third')).toBe('ServiceEntry/shop/squatter');
    expect(outcomesOf('shop/squatter')[0]?.lostHost).toBeUndefined();
  });

  it('the newer takes over when the older goes', async () => {
    await meshOf({}, 'shop/older: hosts: [a.example.com]', 'shop/newer: hosts: [a.example.com]');
    await test.remove(...serviceEntry('shop/older: hosts: [a.example.com]', 0));
    expect(chosen('a.example.com', 'shop')).toBe('ServiceEntry/shop/newer');
    expect(outcomesOf('shop/newer')[0]?.lostHost).toBeUndefined();
  });

  it('an older one that comes later wins all the same', async () => {
    await meshOf({}, 'shop/newer: hosts: [a.example.com]');
    const [older] = serviceEntry('shop/older: hosts: [a.example.com]', 0);
    older!.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
    await test.apply(older!);
    expect(chosen('a.example.com', 'shop')).toBe('ServiceEntry/shop/older');
  });
});

describe('two that claim one address and port', () => {
  it.each([
    ['TCP', 'TCP', true],
    ['TCP', 'HTTP', true],
    ['HTTP', 'HTTP', false],
    ['TLS', 'TLS', false],
    ['', 'HTTP', true],
    ['UDP', 'TCP', false],
  ])('%s before %s: lost %s', async (first, second, isLost) => {
    const spec = (host: string, protocol: string) =>
      `hosts: [${host}], addresses: [10.9.0.1], ports: [{ number: 80, name: p, protocol: "${protocol}" }]`;
    await meshOf({}, `shop/older: ${spec('a.example.com', first)}`, `shop/newer: ${spec('b.example.com', second)}`);
    expect(outcomesOf('shop/newer')[0]?.lostAddresses.map(({ at, winner }) => [at, winner.owner])).toEqual(
      isLost ? [['10.9.0.1:80', 'ServiceEntry/shop/older']] : [],
    );
  });

  describe('of which neither has one, nor is given one', () => {
    const any = 'resolution: NONE';
    it.each([
      ['hosts: [a.example.com]', 'hosts: [b.example.com]', true],
      ['hosts: ["*.a.example.com"]', 'hosts: [b.example.com]', true],
      ['hosts: [a.example.com], exportTo: ["."]', 'hosts: [b.example.com], exportTo: ["client"]', false],
      ['hosts: [a.example.com], ports: [{ number: 80, name: h, protocol: HTTP }]', 'hosts: [b.example.com]', false],
      ['hosts: [a.example.com], ports: [{ number: 81, name: t, protocol: TCP }]', 'hosts: [b.example.com]', false],
      ['hosts: [a.example.com], ports: [{ number: 80, name: x }]', 'hosts: [b.example.com]', true],
      ['hosts: [a.example.com], addresses: [10.9.0.1]', 'hosts: [b.example.com]', false],
    ])('%s before %s: lost %s', async (first, second, isLost) => {
      await meshOf({}, `shop/older: ${any}, ${first}`, `shop/newer: ${any}, ${second}`);
      const lost = outcomesOf('shop/newer')[0]!.lostAddresses;
      expect(lost.map(({ at, winner }) => [at, winner.owner])).toEqual(isLost ? [['*:80', 'ServiceEntry/shop/older']] : []);
      expect(outcomesOf('shop/older')[0]?.lostAddresses).toEqual([]);
      await test.remove(...serviceEntry(`shop/older: ${any}, ${first}`, 0));
      expect(outcomesOf('shop/newer')[0]?.lostAddresses).toEqual([]);
    });

    it('with automatic addresses they do not conflict', async () => {
      await meshOf({}, 'shop/older: hosts: [a.example.com]', 'shop/newer: hosts: [b.example.com]');
      expect(outcomesOf('shop/newer')[0]?.lostAddresses).toEqual([]);
    });
  });

  it('out of sight of each other they do not conflict', async () => {
    await meshOf(
      {},
      "shop/older: hosts: [a.example.com], addresses: [10.9.0.1], exportTo: ['.']",
      "client/newer: hosts: [b.example.com], addresses: [10.9.0.1], exportTo: ['.']",
    );
    expect(outcomesOf('client/newer')[0]?.lostAddresses).toEqual([]);
  });

  it('different spellings of one IPv6 address are the same', async () => {
    await meshOf(
      {},
      'shop/older: hosts: [a.example.com], addresses: ["2001:db8::1"]',
      'shop/newer: hosts: [b.example.com], addresses: ["2001:0DB8:0:0::1"]',
    );
    expect(outcomesOf('shop/newer')[0]?.lostAddresses).toHaveLength(1);
  });
});

describe('automatic addresses', () => {
  const addressesOf = (name: string) => outcomesOf(name).map(({ service }) => service.automaticAddresses);

  it('are given to hosts that have none and can use one', async () => {
    await meshOf(
      {},
      'shop/auto: hosts: [a.example.com, "*.b.example.com"], ports: [{ number: 80, name: http, protocol: HTTP }]',
      'shop/own: hosts: [c.example.com], addresses: [10.9.0.1]',
      'shop/none: hosts: [d.example.com], resolution: NONE, endpoints: []',
    );
    expect(addressesOf('shop/auto').map((list) => list.length)).toEqual([2, 0]);
    expect([...addressesOf('shop/own'), ...addressesOf('shop/none')]).toEqual([[], []]);
  });

  it('say when a pool has none left, and reach who waits when one is released', async () => {
    await meshOf(
      { automaticAddresses: { ipv4: '10.200.0.0/30', ipv6: '' } },
      'shop/a: hosts: [a.example.com]',
      'shop/b: hosts: [b.example.com]',
      'shop/c: hosts: [c.example.com]',
    );
    expect(['a', 'b', 'c'].map((name) => outcomesOf(`shop/${name}`)[0]?.isExhausted)).toEqual([false, false, true]);
    await test.remove(...serviceEntry('shop/a: hosts: [a.example.com]', 0));
    expect(outcomesOf('shop/c')[0]).toMatchObject({
      isExhausted: false,
      service: { automaticAddresses: [expect.stringMatching(/^10\.200\.0\.[12]$/)] },
    });
  });

  it('keep what status recorded', async () => {
    await meshOf({});
    const [object] = serviceEntry('shop/a: hosts: [a.example.com]', 0);
    await test.apply({ ...object!, status: { addresses: [{ value: '240.1.2.3', host: 'a.example.com' }] } } as typeof object &
      object);
    expect(addressesOf('shop/a')[0]).toContain('240.1.2.3');
  });
});

it('a change of endpoints alone leaves the spec as it is, and says so', async () => {
  await meshOf({}, 'shop/a: hosts: [a.example.com]');
  const before = test.mesh.services.choose('a.example.com', 'shop')!;
  const changes: boolean[] = [];
  test.mesh.onChange((change) => changes.push(change.endpointsOnly));
  const [moved] = serviceEntry(
    'shop/a: hosts: [a.example.com], endpoints: [{ address: 10.0.0.9 }]'.replace(
      'endpoints: [{ address: 10.0.0.9 }]',
      'exportTo: []',
    ),
    0,
  );
  (moved as unknown as { spec: { endpoints: unknown[]; exportTo?: unknown } }).spec.endpoints = [{ address: '10.0.0.9' }];
  moved!.metadata.generation = 2;
  moved!.metadata.resourceVersion = '2';
  await test.apply(moved!);
  const after = test.mesh.services.choose('a.example.com', 'shop')!;
  expect(changes).toEqual([true]);
  expect(after.spec).toBe(before.spec);
  expect(after.endpoints[0]?.address).toBe('10.0.0.9');
});
