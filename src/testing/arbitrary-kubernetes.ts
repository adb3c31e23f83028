import fc from 'fast-check';
import { endpointSliceKind, importedServiceNameLabel, serviceNameLabel } from '../api/kubernetes/endpoint-slice.ts';
import { namespaceKind } from '../api/kubernetes/namespace.ts';
import { localityLabels, nodeKind } from '../api/kubernetes/node.ts';
import { podKind } from '../api/kubernetes/pod.ts';
import { exportToAnnotation, serviceKind } from '../api/kubernetes/service.ts';
import type { KubernetesObject } from '../runtime/object.ts';

/** The first of the values, two times of three: what never meets proves nothing. */
function mostly<T>(first: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 2, arbitrary: fc.constant(first) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}

const namespace = mostly('shop', 'client', 'istio-system');
const serviceName = mostly('one', 'two', 'c');
const podName = fc.constantFrom('p1', 'p2', 'p3');
const nodeName = fc.constantFrom(undefined, 'n1', 'n2');
const createdAt = fc.constantFrom('2025-01-01T00:00:00Z', '2025-06-01T00:00:00Z', '2026-01-01T00:00:00Z');
const label = fc.constantFrom({ app: 'x' }, { app: 'y' }, { app: 'x', tier: 'one' });

const servicePort = fc.record(
  {
    name: mostly('p1', 'p2', 'http-p3', 'tls-p4', ''),
    port: fc.constantFrom(80, 443, 5432, 9080, 53),
    protocol: mostly('TCP', 'UDP'),
    appProtocol: fc.constantFrom('http', 'kubernetes.io/h2c', 'tcp', 'tls', 'grpc'),
    targetPort: fc.constantFrom(8080, 9090, 'p1'),
  },
  { requiredKeys: ['name', 'port'] },
);
/** As the API server has it: names differ, numbers by protocol. */
const servicePorts = fc
  .uniqueArray(servicePort, { maxLength: 2, selector: ({ name }) => name })
  .filter((ports) => new Set(ports.map(({ port, protocol = 'TCP' }) => `${port}/${protocol}`)).size === ports.length);

const place = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(['10.96.0.1'], ['10.96.0.2', 'fd00:96::2'], ['fd00:96::3'], ['10.9.0.1']) },
  { weight: 3, arbitrary: fc.constant(['None']) },
);

/** Services of every sort: behind addresses of one family or both, headless, another name. */
export const arbitraryService: fc.Arbitrary<KubernetesObject> = fc
  .record({
    name: serviceName,
    namespace,
    creationTimestamp: createdAt,
    exportTo: mostly<string | undefined>(undefined, '.', 'client', '~', '*'),
    clusterIPs: place,
    externalName: fc.option(
      fc.constantFrom(
        'a.example.com',
        'one.shop.svc.cluster.local',
        'two.shop.svc.cluster.local',
        'two.client.svc.cluster.local',
      ),
      { freq: 1, nil: undefined },
    ),
    selector: fc.option(label, { nil: undefined }),
    ports: servicePorts,
  })
  .map(({ name, namespace: own, creationTimestamp, exportTo, clusterIPs, externalName, selector, ports }) =>
    serviceKind.slim({
      metadata: {
        name,
        namespace: own,
        creationTimestamp,
        ...(exportTo ? { annotations: { [exportToAnnotation]: exportTo } } : {}),
      },
      spec: externalName
        ? { type: 'ExternalName', externalName, ports }
        : { clusterIP: clusterIPs[0], clusterIPs, selector, ports },
    }),
  );

const endpoint = fc.record(
  {
    address: fc.nat(2),
    conditions: fc.record({ ready: mostly(true, false), terminating: fc.boolean() }, { requiredKeys: [] }),
    nodeName,
    zone: fc.constantFrom('z1', 'z2'),
    pod: podName,
  },
  { requiredKeys: ['address'] },
);
const addresses = {
  IPv4: ['10.0.0.1', '10.0.0.2', '10.1.1.1'],
  IPv6: ['2001:db8::1', '2001:db8:1::1', '2001:db8:1::9'],
  FQDN: ['a', 'b', 'c'],
};

/** Slices of those Services, and of none. */
export const arbitraryEndpointSlice: fc.Arbitrary<KubernetesObject> = fc
  .record({
    name: fc.constantFrom('s1', 's2', 's3'),
    namespace,
    service: fc.option(serviceName, { freq: 8 }),
    isImported: fc.constantFrom(false, false, false, false, false, false, false, true),
    addressType: mostly<'IPv4' | 'IPv6' | 'FQDN'>('IPv4', 'IPv6', 'IPv6', 'IPv6', 'FQDN'),
    endpoints: fc.array(endpoint, { maxLength: 3, size: 'max' }),
    ports: fc.uniqueArray(
      fc.record({
        name: mostly('p1', 'p2', 'http-p3', ''),
        port: mostly<number | undefined>(8080, 9090, undefined),
        protocol: fc.constantFrom('TCP', 'TCP', 'TCP', 'TCP', 'UDP'),
      }),
      { minLength: 1, maxLength: 3, selector: ({ name }) => name },
    ),
  })
  .map(({ name, namespace: own, service, isImported, addressType, endpoints, ports }) =>
    endpointSliceKind.slim({
      metadata: {
        name,
        namespace: own,
        labels: {
          ...(service ? { [serviceNameLabel]: service } : {}),
          ...(isImported ? { [importedServiceNameLabel]: 'x' } : {}),
        },
      },
      addressType,
      endpoints: endpoints.map(({ address, pod, ...rest }) => ({
        ...rest,
        addresses: [addresses[addressType][address]],
        ...(pod ? { targetRef: { kind: 'Pod', namespace: own, name: pod } } : {}),
      })),
      ports,
    }),
  );

/** Pods that ServiceEntries may select, in any state. */
export const arbitraryPod: fc.Arbitrary<KubernetesObject> = fc
  .record({
    name: podName,
    namespace,
    labels: label,
    locality: fc.option(fc.constantFrom('eu.a', 'eu/b/c'), { freq: 2 }),
    nodeName,
    podIPs: fc.constantFrom([], ['10.0.0.1'], ['10.1.1.1', '2001:db8:1::1'], ['2001:db8::1']),
    phase: fc.constantFrom('Pending', 'Running', 'Running', 'Running', 'Succeeded'),
    isReady: fc.boolean(),
    isEnding: fc.constantFrom(false, false, true),
    portName: fc.constantFrom('p1', 'p2'),
  })
  .map(({ name, namespace: own, labels, locality, nodeName: node, podIPs, phase, isReady, isEnding, portName }) =>
    podKind.slim({
      metadata: {
        name,
        namespace: own,
        labels: locality ? { ...labels, 'topology.istio.io/locality': locality } : labels,
        ...(isEnding ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      },
      spec: { nodeName: node, containers: [{ ports: [{ name: portName, containerPort: 7171 }] }] },
      status: {
        phase,
        podIPs: podIPs.map((ip) => ({ ip })),
        conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
      },
    }),
  );

export const arbitraryNode: fc.Arbitrary<KubernetesObject> = fc
  .record({ name: fc.constantFrom('n1', 'n2'), zone: fc.constantFrom(undefined, 'z1', 'z3') })
  .map(({ name, zone }) =>
    nodeKind.slim({ metadata: { name, labels: zone ? { [localityLabels.region]: 'eu', [localityLabels.zone]: zone } : {} } }),
  );

/** Namespaces that a selector of `mesh: on` takes in or leaves out. */
export const arbitraryNamespace: fc.Arbitrary<KubernetesObject> = fc
  .record({ name: namespace, labels: fc.constantFrom({ mesh: 'on' }, { mesh: 'on', team: 'a' }, { mesh: 'off' }, {}) })
  .map(({ name, labels }) => namespaceKind.slim({ metadata: { name, labels } }));

const shop = { namespace: 'shop', creationTimestamp: '2025-06-01T00:00:00Z' };
const selectedPort = { name: 'p1', port: 9080, targetPort: 8080 };
const sliceOf = (name: string, service: string, endpoints: readonly object[]) =>
  endpointSliceKind.slim({
    metadata: { ...shop, name, labels: { [serviceNameLabel]: service } },
    addressType: 'IPv4',
    ports: [{ name: 'p1', port: 8080 }],
    endpoints,
  });

/** A world in which everything hangs together, for histories to start from: a change of any of it can be seen. */
export const settledObjects: readonly KubernetesObject[] = [
  ...['shop', 'client', 'istio-system'].map((name) => namespaceKind.slim({ metadata: { name, labels: { mesh: 'on' } } })),
  nodeKind.slim({ metadata: { name: 'n1', labels: { [localityLabels.zone]: 'z1' } } }),
  serviceKind.slim({ metadata: { ...shop, name: 'one' }, spec: { clusterIPs: ['10.96.0.1'], ports: [selectedPort] } }),
  sliceOf('s1', 'one', [
    { addresses: ['10.0.0.1'], nodeName: 'n1', targetRef: { kind: 'Pod', name: 'p1' } },
    { addresses: ['10.0.0.2'], nodeName: 'n1' },
  ]),
  serviceKind.slim({ metadata: { ...shop, name: 'two' }, spec: { clusterIP: 'None', ports: [selectedPort] } }),
  sliceOf('s2', 'two', [{ addresses: ['10.1.1.1'] }]),
  serviceKind.slim({
    metadata: { ...shop, name: 'c' },
    spec: { type: 'ExternalName', externalName: 'one.shop.svc.cluster.local' },
  }),
  serviceKind.slim({
    metadata: { ...shop, name: 'd' },
    spec: { type: 'ExternalName', externalName: 'c.shop.svc.cluster.local' },
  }),
  podKind.slim({
    metadata: { ...shop, name: 'p1', labels: { app: 'x' } },
    spec: { nodeName: 'n1' },
    status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
  }),
];

/** Any object of Kubernetes' own kinds. */
export const arbitraryKubernetesObject: fc.Arbitrary<KubernetesObject> = fc.oneof(
  { weight: 4, arbitrary: arbitraryService },
  { weight: 4, arbitrary: arbitraryEndpointSlice },
  { weight: 2, arbitrary: arbitraryPod },
  { weight: 2, arbitrary: arbitraryNode },
  { weight: 1, arbitrary: arbitraryNamespace },
);
