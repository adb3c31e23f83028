import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { typeUrls } from '../envoy/resource.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { parseObjects, proxyNode, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import { MeshClasses } from './mesh-classes.ts';
import type { ProxyClass } from './proxy-class.ts';

let test: TestMesh;
let classes: MeshClasses;
let proxyClass: ProxyClass;
let version = 0;
const node = proxyNode({ namespace: 'shop', ipAddresses: ['10.0.0.1'] });

const slice = (...endpoints: string[]) =>
  parseObjects(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: s-1, namespace: shop, resourceVersion: "${++version}", labels: { kubernetes.io/service-name: s } }
addressType: IPv4
ports: [{ name: tcp, port: 9000 }]
endpoints: [${endpoints.map((endpoint) => `{ ${endpoint} }`).join(', ')}]`);
const own = 'addresses: [10.0.0.1]';

beforeEach(async () => {
  test = await startTestMesh();
  await test.apply(
    ...parseObjects(`
apiVersion: v1
kind: Service
metadata: { name: s, namespace: shop }
spec: { clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{ name: tcp, port: 80, targetPort: 9000 }] }`),
    ...slice(own),
  );
  classes = new MeshClasses(test.mesh);
  proxyClass = classes.join(node);
});
afterEach(() => test.stop());

/** The names of a class's resources of all types whose bytes a refresh changed. */
function refreshed(): { names: string[]; moved: readonly ProxyNode[] } {
  const read = () =>
    new Map(
      Object.values(typeUrls).flatMap((typeUrl) =>
        [...proxyClass.table(typeUrl).values()].map((resource) => [
          `${typeUrl.split('.').at(-1)}/${resource.name}`,
          resource.version,
        ]),
      ),
    );
  const before = read();
  const { moved } = classes.refresh();
  const after = read();
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
  return { names: names.sort(), moved };
}

const endpoints = 'ClusterLoadAssignment/outbound|80||s.shop.svc.cluster.local';

describe('a changed slice', () => {
  it('touches endpoints only, and concerns no proxy but those whose address came or went', async () => {
    await test.apply(...slice(own, 'addresses: [10.0.0.7]'));
    expect(refreshed()).toEqual({ names: [endpoints], moved: [] });
    await test.apply(...slice('addresses: [10.0.0.7]'));
    expect(refreshed()).toEqual({ names: [endpoints], moved: [node] });
    expect(classes.classKeyOf(node)).not.toBe(proxyClass.key);
  });

  it('leaves a proxy in its class while its own readiness flips', async () => {
    await test.apply(...slice(`${own}, conditions: { ready: false }`));
    expect(refreshed()).toEqual({ names: [endpoints], moved: [] });
    await test.apply(...slice(`${own}, conditions: { ready: false, terminating: true }`));
    expect(refreshed()).toEqual({ names: [endpoints], moved: [] });
    expect(classes.classKeyOf(node)).toBe(proxyClass.key);
  });
});

describe('an object whose part comes or goes by the change of another one', () => {
  it('is named, though the bytes stay the same', async () => {
    const workload = (name: string) =>
      parseObjects(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: shop }
spec: { address: 10.1.0.1, labels: { app: ${name} } }`);
    const entry = (app: string) =>
      parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vms, namespace: shop, generation: ${++version}, resourceVersion: "${version}" }
spec:
  hosts: [vms.example.com]
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: ${app} } }`);
    await test.apply(...workload('one'), ...workload('two'), ...entry('one'));
    classes.refresh();
    expect([...classes.refresh().objects]).toEqual([]);
    await test.apply(...entry('two'));
    expect([...classes.refresh().objects].sort()).toEqual([
      'ServiceEntry/shop/vms',
      'WorkloadEntry/shop/one',
      'WorkloadEntry/shop/two',
    ]);
    expect(proxyClass.footprint('WorkloadEntry/shop/one')?.names).toEqual(new Map());
    await test.remove(...entry('two'));
    expect([...classes.refresh().objects].sort()).toEqual(['ServiceEntry/shop/vms', 'WorkloadEntry/shop/two']);
  });
});

describe('a changed mesh config', () => {
  it('changes the bytes that it concerns', () => {
    const { config } = test.mesh;
    test.mesh.setConfig({ ...config, outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
    expect(refreshed()).toEqual({ names: ['Listener/virtualOutbound'], moved: [] });
    test.mesh.setConfig({ ...config, connectTimeoutMs: 1 });
    const { names } = refreshed();
    expect(names).toContain('Cluster/outbound|80||s.shop.svc.cluster.local');
    expect(names).not.toContain(endpoints);
    test.mesh.setConfig({ ...config, connectTimeoutMs: 1, discoverySelectors: [{}] });
    expect(refreshed().names).toEqual([]);
  });

  it('waits for no acknowledgement of the objects that it re-shapes', () => {
    const before = proxyClass.footprint('Service/shop/s');
    test.mesh.setConfig({ ...test.mesh.config, accessLogFile: '/dev/stdout' });
    expect(refreshed().names).toContain('Listener/10.96.0.1_80');
    expect(proxyClass.footprint('Service/shop/s')?.required).toEqual(before?.required);
  });
});

it('hears of what an object in a namespace that it does not import does to a service that it imports', async () => {
  await test.apply(
    ...parseObjects(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: shop }
spec: { egress: [{ hosts: ["./*"] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.96.0.2, clusterIPs: [10.96.0.2], ports: [{ name: http, port: 80 }] }`),
  );
  classes.leave(proxyClass, node);
  proxyClass = classes.join(node);
  classes.refresh();
  const alias = parseObjects(`
apiVersion: v1
kind: Service
metadata: { name: other-name, namespace: far }
spec: { type: ExternalName, externalName: web.shop.svc.cluster.local }`);
  await test.apply(...alias);
  expect(refreshed().names).toEqual(['RouteConfiguration/80']);
  await test.remove(...alias);
  expect(refreshed().names).toEqual(['RouteConfiguration/80']);
});
