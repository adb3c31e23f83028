import fc from 'fast-check';
import { serviceEntryKind } from '../../api/index.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import {
  arbitraryEndpointSlice,
  arbitraryNamespace,
  arbitraryNode,
  arbitraryPod,
  arbitraryService,
} from '../arbitrary-kubernetes.ts';
import { arbitraryMeshObject } from '../arbitrary-objects.ts';
import { serviceEntry } from '../changing-world.ts';
import { kindOf } from '../load-mesh.ts';

const name = (text: string) => fc.constant(text);
const namespace = fc.constantFrom('shop', 'client', 'istio-system');

/** Gets past the schema, and is invalid in every generation: there is no last good one of it. */
const invalidEntry = fc.record({ name: name('bad'), namespace, octet: fc.nat(5) }).map(({ name, namespace: own, octet }) => ({
  apiVersion: `${serviceEntryKind.group}/${serviceEntryKind.version}`,
  kind: serviceEntryKind.kind,
  metadata: { name, namespace: own },
  spec: serviceEntry('bad', `not-an-address-${octet}.example.com`),
}));

/** Any object of any kind that the operator follows, as a person or a controller would apply it. */
export const arbitrarySoakObject: fc.Arbitrary<KubernetesObject> = fc
  .oneof(
    { weight: 10, arbitrary: arbitraryMeshObject },
    { weight: 1, arbitrary: invalidEntry },
    { weight: 3, arbitrary: arbitraryService },
    { weight: 4, arbitrary: arbitraryEndpointSlice },
    { weight: 2, arbitrary: arbitraryPod },
    { weight: 1, arbitrary: arbitraryNode },
    { weight: 1, arbitrary: arbitraryNamespace },
  )
  .map((object) => admissible(object));

/** What the API server chooses by itself is left to it, and what it insists on is added. */
function admissible(object: KubernetesObject): KubernetesObject {
  const { name, namespace: own, labels, annotations } = object.metadata;
  const isNamespaced = kindOf(object).scope === 'Namespaced';
  const metadata = {
    name,
    ...(isNamespaced ? { namespace: own } : {}),
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
  };
  const plain = { ...object, metadata } as KubernetesObject;
  switch (object.kind) {
    case 'Service':
      return admissibleService(plain as AnyObject);
    case 'EndpointSlice':
      return admissibleSlice(plain as AnyObject);
    case 'Pod':
      return admissiblePod(plain as AnyObject);
    default:
      return plain;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: objects of several kinds, taken apart and put together as JSON
type AnyObject = any;

function admissibleService(service: AnyObject): KubernetesObject {
  const { type, externalName, selector, ports, clusterIPs } = service.spec;
  const named = ports.map((port: AnyObject, index: number) => ({ ...port, name: port.name || `p-${index}` }));
  const isHeadless = clusterIPs?.[0] === 'None';
  const spec = {
    ...(type ? { type, externalName } : {}),
    ...(isHeadless ? { clusterIP: 'None' } : {}),
    ...(selector ? { selector } : {}),
    ports: named.length || type || isHeadless ? named : [{ name: 'p1', port: 9080 }],
  };
  return { ...service, spec };
}

function admissibleSlice(slice: AnyObject): KubernetesObject {
  const endpoints = slice.endpoints.map((endpoint: AnyObject) => ({
    ...endpoint,
    conditions: { ready: true, ...endpoint.conditions },
  }));
  const full = (address: string) => (slice.addressType === 'FQDN' ? `${address}.example.com` : address);
  return {
    ...slice,
    endpoints: endpoints.map((endpoint: AnyObject) => ({ ...endpoint, addresses: endpoint.addresses.map(full) })),
  };
}

function admissiblePod(pod: AnyObject): KubernetesObject {
  const ports = Object.entries(pod.namedPorts).map(([name, containerPort]) => ({ name, containerPort }));
  const { phase, podIPs, isReady } = pod.status;
  return {
    apiVersion: pod.apiVersion,
    kind: pod.kind,
    metadata: pod.metadata,
    spec: { ...pod.spec, containers: [{ name: 'c', image: 'example.com/c', ports }] },
    status: {
      phase,
      ...(podIPs.length ? { podIP: podIPs[0], podIPs: podIPs.map((ip: string) => ({ ip })) } : {}),
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  } as unknown as KubernetesObject;
}
