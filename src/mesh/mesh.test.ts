import { afterEach, describe, expect, it } from 'vitest';
import { parseObjects, startTestMesh, type TestMesh } from '../testing/load-mesh.ts';
import type { Change } from './mesh.ts';
import { meshConfigKey } from './mesh.ts';

let test: TestMesh;
let changes: Change[];
afterEach(() => test.stop());

async function start(yaml: string): Promise<void> {
  test = await startTestMesh();
  changes = [];
  test.mesh.onChange((change) => changes.push(change));
  await test.apply(...parseObjects(yaml));
}

/** Applies objects as later versions; answers what they changed. */
async function changed(yaml: string): Promise<Change[]> {
  changes.length = 0;
  const next = parseObjects(yaml).map((object) => ({ ...object, metadata: { ...object.metadata, resourceVersion: '2' } }));
  await test.apply(...next);
  return changes;
}

const service = (clusterIP: string, port: string) => `
apiVersion: v1
kind: Service
metadata: { name: s, namespace: shop }
spec: { clusterIP: ${clusterIP}, clusterIPs: [${clusterIP}], ports: [{ name: ${port}, port: 80 }] }
---`;
const slice = (...endpoints: string[]) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: s-1, namespace: shop, labels: { kubernetes.io/service-name: s } }
addressType: IPv4
ports: [{ name: http, port: 80 }, { name: tcp, port: 80 }]
endpoints: [${endpoints.map((endpoint) => `{ ${endpoint} }`).join(', ')}]
---`;
const pod = (ip: string, ready: boolean) => `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: shop, labels: { app: x } }
status: { phase: Running, podIP: ${ip}, conditions: [{ type: Ready, status: "${ready ? 'True' : 'False'}" }] }
---`;
const one = 'addresses: [10.0.0.1]';
const host = 's.shop.svc.cluster.local';

describe('a change of a Service', () => {
  it('is one of endpoints where only a slice changed, and names the addresses that came', async () => {
    await start(service('10.96.0.1', 'http') + slice(one));
    expect(await changed(slice(one, 'addresses: [10.0.0.2]'))).toMatchObject([
      { object: 'Service/shop/s', endpointsOnly: true, hosts: new Set([host]), addresses: new Set(['10.0.0.2']) },
    ]);
  });

  it('concerns no address where only readiness flips: proxies there go on serving the same', async () => {
    await start(service('10.96.0.1', 'http') + slice(one));
    expect(await changed(slice(`${one}, conditions: { ready: false }`))).toMatchObject([
      { endpointsOnly: true, addresses: new Set() },
    ]);
  });

  it('is told to nobody where nothing of it is read', async () => {
    await start(service('10.96.0.1', 'http') + slice(one));
    const { revision } = test.mesh;
    expect(await changed(service('10.96.0.1', 'http') + slice(one))).toEqual([]);
    expect(test.mesh.revision).toBe(revision);
  });

  it('of a headless one is more than endpoints where they have listeners, and no more where all is HTTP', async () => {
    await start(service('None', 'tcp') + slice(one));
    expect(await changed(slice('addresses: [10.0.0.2]'))).toMatchObject([{ endpointsOnly: false }]);
    await test.stop();
    await start(service('None', 'http') + slice(one));
    expect(await changed(slice('addresses: [10.0.0.2]'))).toMatchObject([{ endpointsOnly: true }]);
  });
});

describe('a change of a pod', () => {
  it('is told to nobody as long as nothing picks it', async () => {
    await start(pod('10.0.0.1', true));
    expect(changes).toEqual([]);
    expect(await changed(pod('10.0.0.2', true))).toEqual([]);
  });

  it('is one of endpoints where a ServiceEntry picks it', async () => {
    await start(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: e, namespace: shop }
spec: { hosts: [e.example.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, workloadSelector: { labels: { app: x } } }
---${pod('10.0.0.1', true)}`);
    expect(await changed(pod('10.0.0.1', false))).toMatchObject([
      { object: 'Pod/shop/p', endpointsOnly: true, hosts: new Set(['e.example.com']) },
    ]);
  });
});

describe('setConfig', () => {
  const automatic = () => test.mesh.services.servicesOf('e.example.com')[0]?.automaticAddresses;
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: e, namespace: shop }
spec: { hosts: [e.example.com], ports: [{ number: 80, name: tcp, protocol: TCP }], resolution: DNS }`;

  it('tells of another config, and nobody of the same one', async () => {
    await start(entry);
    const { config } = test.mesh;
    expect(test.mesh.setConfig(structuredClone(config))).toBeUndefined();
    const change = test.mesh.setConfig({ ...config, rootNamespace: 'mesh' });
    expect(change).toMatchObject({ object: meshConfigKey, isConfigChanged: true, hosts: new Set(), endpointsOnly: false });
    expect(test.mesh.config.rootNamespace).toBe('mesh');
  });

  it('replaces the pool that changed, and leaves the addresses of the other where they are', async () => {
    await start(entry);
    const { config } = test.mesh;
    const [ipv4, ipv6] = automatic()!;
    const change = test.mesh.setConfig({
      ...config,
      automaticAddresses: { ...config.automaticAddresses, ipv4: '10.200.0.0/16' },
    });
    expect(change?.hosts).toEqual(new Set(['e.example.com']));
    expect(automatic()).toEqual([expect.stringMatching(/^10\.200\./), ipv6]);
    test.mesh.setConfig({ ...config, automaticAddresses: { ipv4: '', ipv6: '' } });
    expect(automatic()).toEqual([]);
    test.mesh.setConfig(config);
    expect(automatic()).toEqual([ipv4, ipv6]);
  });
});

describe('an announced change', () => {
  it('rises the revision and names whom it concerns, and is no intake', async () => {
    await start(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: s, namespace: shop }
spec: { egress: [{ hosts: ['*/*'] }] }`);
    const { mesh } = test;
    const intake = mesh.intake('Sidecar/shop/s');
    expect(changes).toMatchObject([{ revision: 1, object: 'Sidecar/shop/s', ruledNamespace: 'shop' }]);
    mesh.announce('Sidecar/shop/s', 'shop');
    expect(changes[1]).toMatchObject({ revision: 2, object: 'Sidecar/shop/s', ruledNamespace: 'shop', endpointsOnly: false });
    expect(mesh.intake('Sidecar/shop/s')).toBe(intake);
  });
});
