import { describe, expect, it } from 'vitest';
import { endpointSliceKind } from './endpoint-slice.ts';
import { kubernetesKinds } from './index.ts';
import { namespaceKind } from './namespace.ts';
import { nodeKind } from './node.ts';
import { podKind } from './pod.ts';
import { serviceKind } from './service.ts';

/** Metadata as the API server sends it. */
const metadata = {
  name: 'x',
  namespace: 'shop',
  uid: 'u',
  resourceVersion: '7',
  generation: 3,
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels: {
    app: 'web',
    'kubernetes.io/service-name': 'x',
    'topology.kubernetes.io/region': 'eu',
    'topology.kubernetes.io/zone': 'eu-a',
    'kubernetes.io/hostname': 'n',
  },
  annotations: { 'networking.istio.io/exportTo': '.', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
  ownerReferences: [{ kind: 'ReplicaSet' }],
  managedFields: [{ manager: 'kubectl' }],
};
const kept = { name: 'x', namespace: 'shop', uid: 'u', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' };

describe('slim', () => {
  it('Service: type, addresses, selector, ports, exportTo', () => {
    const sent = {
      metadata,
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.96.0.1',
        clusterIPs: ['10.96.0.1', 'fd00::1'],
        selector: { app: 'web' },
        sessionAffinity: 'None',
        internalTrafficPolicy: 'Cluster',
        ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'web', nodePort: 30080 }, { port: 81 }],
      },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    };
    expect(serviceKind.slim(sent)).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...kept, annotations: { 'networking.istio.io/exportTo': '.' } },
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.96.0.1',
        clusterIPs: ['10.96.0.1', 'fd00::1'],
        selector: { app: 'web' },
        ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'web' }, { port: 81 }],
      },
    });
  });

  it('EndpointSlice: the Service it names, ports, and of endpoints where they are and how they do', () => {
    const sent = {
      metadata,
      addressType: 'IPv6',
      ports: [{ name: '', port: 80, protocol: 'TCP', appProtocol: null }, { port: null }],
      endpoints: [
        {
          addresses: ['fd00::1'],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: 'x-0',
          nodeName: 'n',
          zone: 'z',
          hints: { forZones: [] },
          targetRef: { kind: 'Pod', namespace: 'shop', name: 'x-0', uid: 'v' },
        },
        { addresses: ['fd00::2'] },
      ],
    };
    expect(endpointSliceKind.slim(sent)).toEqual({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...kept, labels: { 'kubernetes.io/service-name': 'x' } },
      addressType: 'IPv6',
      ports: [{ name: '', port: 80, protocol: 'TCP' }, {}],
      endpoints: [
        {
          addresses: ['fd00::1'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'n',
          zone: 'z',
          targetRef: { kind: 'Pod', namespace: 'shop', name: 'x-0' },
        },
        { addresses: ['fd00::2'] },
      ],
    });
    // The API server leaves lists out that are empty.
    expect(endpointSliceKind.slim({ metadata, addressType: 'IPv4', endpoints: null })).toMatchObject({
      ports: [],
      endpoints: [],
    });
  });

  it('Pod: labels, node, phase, addresses, readiness, and named TCP ports, of sidecar containers too', () => {
    const sent = {
      metadata: { ...metadata, deletionTimestamp: '2026-01-02T00:00:00Z' },
      spec: {
        nodeName: 'n',
        containers: [
          { name: 'app', image: 'i', ports: [{ name: 'web', containerPort: 8080 }, { containerPort: 9 }] },
          {
            name: 'other',
            ports: [
              { name: 'web', containerPort: 1 },
              { name: 'dns', containerPort: 53, protocol: 'UDP' },
            ],
          },
        ],
        initContainers: [
          { name: 'proxy', restartPolicy: 'Always', ports: [{ name: 'metrics', containerPort: 15090, protocol: 'TCP' }] },
          { name: 'once', ports: [{ name: 'never', containerPort: 2 }] },
        ],
      },
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
        conditions: [
          { type: 'Initialized', status: 'True' },
          { type: 'Ready', status: 'True' },
        ],
        containerStatuses: [{ name: 'app' }],
      },
    };
    expect(podKind.slim(sent)).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...kept, deletionTimestamp: '2026-01-02T00:00:00Z', labels: metadata.labels },
      spec: { nodeName: 'n' },
      status: { phase: 'Running', podIPs: ['10.0.0.1', 'fd00::1'], isReady: true },
      namedPorts: { web: 8080, metrics: 15090 },
    });
    expect(podKind.slim({ metadata, status: { phase: 'Pending' } }).status).toEqual({
      phase: 'Pending',
      podIPs: [],
      isReady: false,
    });
    expect(podKind.slim({ metadata, status: { podIP: '10.0.0.9' } }).status.podIPs).toEqual(['10.0.0.9']);
  });

  it('Namespace: labels. Node: labels that tell its locality', () => {
    const sent = { metadata: { ...metadata, namespace: undefined }, status: { conditions: [] } };
    expect(namespaceKind.slim(sent).metadata).toEqual({ ...kept, namespace: '', labels: metadata.labels });
    expect(nodeKind.slim(sent).metadata).toEqual({
      ...kept,
      namespace: '',
      labels: { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'eu-a' },
    });
  });

  it.each(kubernetesKinds.map((kind) => [kind.kind, kind] as const))('of a slim %s changes nothing', (_name, kind) => {
    const sent = {
      metadata,
      spec: { nodeName: 'n', clusterIP: 'None', containers: [{ ports: [{ name: 'web', containerPort: 1 }] }] },
      status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'Ready', status: 'True' }] },
      endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }],
    };
    const slim = kind.slim(sent);
    expect(kind.slim(slim)).toEqual(slim);
    expect(slim).toMatchObject({ kind: kind.kind, apiVersion: kind.group === '' ? 'v1' : `${kind.group}/v1` });
  });
});
