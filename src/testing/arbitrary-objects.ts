import fc from 'fast-check';
import { hasErrors } from '../api/finding.ts';
import { checkObject } from '../controllers/check-object.ts';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import { arbitraryEnvoyFilter } from './arbitrary-envoy-filters.ts';
import { arbitraryKubernetesObject } from './arbitrary-kubernetes.ts';
import { kindOf } from './load-mesh.ts';

/** Few of everything, so that objects of a random history meet, claim the same, and replace each other. */
const namespace = fc.constantFrom('shop', 'client', 'istio-system');
const host = fc.constantFrom(
  'a.example.com',
  'b.example.com',
  'c.shop.svc.cluster.local',
  'one.shop.svc.cluster.local',
  '*.example.com',
  'd.example.org',
);
const address = fc.constantFrom('10.9.0.1', '10.9.0.2', '2001:db8:9::1', '10.9.0.0/16');
const label = fc.constantFrom({ app: 'x' }, { app: 'y' }, { app: 'x', tier: 'one' });
const workloadAddress = fc.constantFrom(
  '10.0.0.1',
  '10.0.0.2',
  '10.1.1.1',
  '2001:db8::1',
  '2001:db8:1::1',
  'unix:///run/app.sock',
);
const createdAt = fc.constantFrom('2025-01-01T00:00:00Z', '2025-06-01T00:00:00Z', '2026-01-01T00:00:00Z');

function metadata(names: readonly string[]) {
  return fc.record({ name: fc.constantFrom(...names), namespace, creationTimestamp: createdAt, generation: fc.constant(1) });
}

const port = fc.record(
  {
    number: fc.constantFrom(80, 443, 5432, 9080),
    name: fc.constantFrom('p1', 'p2'),
    protocol: fc.constantFrom('HTTP', 'TCP', 'TLS', 'GRPC', '', 'UDP'),
    targetPort: fc.constantFrom(8080, 9090),
  },
  { requiredKeys: ['number', 'name', 'protocol'] },
);
const ports = fc
  .uniqueArray(port, { maxLength: 2, selector: ({ number }) => number })
  .filter((list) => new Set(list.map(({ name }) => name)).size === list.length);
const endpoint = fc.record({
  address: workloadAddress,
  weight: fc.constantFrom(1, 3),
  locality: fc.constantFrom('', 'eu/a', 'eu/b'),
});

/** ServiceEntries with and without endpoints, selectors, addresses; valid as far as compiling needs. */
export const arbitraryServiceEntry: fc.Arbitrary<KubernetesObject> = fc
  .record({
    metadata: metadata(['one', 'two', 'three']),
    hosts: fc.uniqueArray(host, { minLength: 1, maxLength: 2 }),
    addresses: fc.uniqueArray(address, { maxLength: 2 }),
    ports,
    resolution: fc.constantFrom('NONE' as const, 'STATIC' as const, 'DNS' as const, 'DNS_ROUND_ROBIN' as const),
    location: fc.constantFrom('MESH_EXTERNAL' as const, 'MESH_INTERNAL' as const),
    exportTo: fc.constantFrom(undefined, ['*'], ['.'], ['client'], ['~']),
    endpoints: fc.array(endpoint, { maxLength: 2 }),
    selector: fc.option(label),
  })
  .map(({ metadata: meta, selector, endpoints, ...spec }) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: meta,
    spec: selector ? { ...spec, workloadSelector: { labels: selector } } : { ...spec, endpoints },
  }));

export const arbitraryWorkloadEntry: fc.Arbitrary<KubernetesObject> = fc
  .record({
    metadata: metadata(['w1', 'w2', 'w3']),
    address: workloadAddress,
    labels: label,
    ports: fc.constantFrom({}, { p1: 7070 }),
    weight: fc.constantFrom(1, 5),
  })
  .map(({ metadata: meta, ...spec }) => ({ apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: meta, spec }));

const egress = fc.record(
  {
    port: fc.record({
      number: fc.constantFrom(80, 9080),
      name: fc.constant('p'),
      protocol: fc.constantFrom('HTTP', 'TCP', 'HTTP_PROXY'),
    }),
    bind: fc.constantFrom('127.0.0.1', '127.0.0.9'),
    captureMode: fc.constantFrom('DEFAULT' as const, 'NONE' as const),
    hosts: fc.uniqueArray(
      fc.constantFrom('*/*', './*', 'shop/*', '*/a.example.com', 'shop/*.example.com', '~shop/b.example.com', '~/*'),
      { minLength: 1, maxLength: 2 },
    ),
  },
  { requiredKeys: ['hosts'] },
);

const ingress = fc.record(
  {
    port: fc.record({
      number: fc.constantFrom(8080, 9090),
      name: fc.constant('in'),
      protocol: fc.constantFrom('HTTP', 'TCP', '', 'HTTPS'),
    }),
    bind: fc.constantFrom('127.0.0.1', '::1'),
    captureMode: fc.constantFrom('DEFAULT' as const, 'NONE' as const),
    defaultEndpoint: fc.constantFrom('127.0.0.1:18080', '0.0.0.0:9090', '[::]:9090', ':9090', 'unix:///run/app.sock'),
    connectionPool: fc.constantFrom({ http: { http1MaxPendingRequests: 1 } }),
  },
  { requiredKeys: ['port'] },
);

export const arbitrarySidecar: fc.Arbitrary<KubernetesObject> = fc
  .record({
    metadata: metadata(['s1', 's2']),
    workloadSelector: fc.oneof(
      fc.constantFrom(undefined, {}),
      label.map((labels) => ({ labels })),
    ),
    // Validation holds a Sidecar to one listener a port, the catch-all last.
    egress: fc
      .uniqueArray(egress, { maxLength: 2, selector: (listener) => listener.port?.number ?? 0 })
      .map((listeners) => listeners.toSorted((a, b) => Number(!a.port) - Number(!b.port))),
    ingress: fc.uniqueArray(ingress, { maxLength: 2, selector: (listener) => listener.port.number }),
    inboundConnectionPool: fc.constantFrom(undefined, { tcp: { maxConnections: 5 } }),
    outboundTrafficPolicy: fc.constantFrom(
      undefined,
      { mode: 'REGISTRY_ONLY' as const },
      { mode: 'ALLOW_ANY' as const, egressProxy: { host: 'a.example.com', port: { number: 9080 } } },
    ),
  })
  .map(({ metadata: meta, ...spec }) => ({ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: meta, spec }));

/** Any object of the mesh's own kinds that passes validation. */
export const arbitraryMeshObject: fc.Arbitrary<KubernetesObject> = fc
  .oneof(
    { weight: 5, arbitrary: arbitraryServiceEntry },
    { weight: 2, arbitrary: arbitraryWorkloadEntry },
    { weight: 2, arbitrary: arbitrarySidecar },
    { weight: 3, arbitrary: arbitraryEnvoyFilter },
  )
  .filter((object) => !hasErrors(checkObject(kindOf(object), object)));

/** Any object that the mesh is made from. */
export const arbitraryObject: fc.Arbitrary<KubernetesObject> = fc.oneof(arbitraryMeshObject, arbitraryKubernetesObject);

const on = { matchLabels: { mesh: 'on' } };

/** Mesh configs that differ in everything that proxies or selection can notice. */
export const arbitraryConfig: fc.Arbitrary<MeshConfig> = fc
  .record(
    {
      rootNamespace: fc.constantFrom('istio-system', 'shop'),
      discoverySelectors: fc.constantFrom([], [on], [{ matchExpressions: [{ key: 'team', operator: 'Exists' as const }] }, on]),
      outboundTrafficPolicy: fc.constantFrom({ mode: 'ALLOW_ANY' as const }, { mode: 'REGISTRY_ONLY' as const }),
      accessLogFile: fc.constantFrom('', '/dev/stdout'),
      connectTimeoutMs: fc.constantFrom(1000, 10_000),
      automaticAddresses: fc.constantFrom(
        { ipv4: '', ipv6: '' },
        { ipv4: '240.0.0.0/4', ipv6: '' },
        { ipv4: '240.240.0.0/16', ipv6: '2001:2::/48' },
      ),
    },
    { requiredKeys: [] },
  )
  .map((changes) => ({ ...defaultMeshConfig, ...changes }));
