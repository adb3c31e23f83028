import { expect, it } from 'vitest';
import type { KubernetesObject } from '../runtime/object.ts';
import { parseObjects, startTestMesh } from '../testing/load-mesh.ts';

const key = 'ServiceEntry/shop/api';

const serviceEntry = (
  resourceVersion: string,
  metadata: Partial<KubernetesObject['metadata']> = {},
  rest = {},
): KubernetesObject => {
  const [object] = parseObjects(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { namespace: shop, name: api, generation: 1, resourceVersion: "${resourceVersion}" }
spec: { hosts: [api.example.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: DNS }`);
  return { ...object!, ...rest, metadata: { ...object!.metadata, ...metadata } };
};

it('withdraws an object as soon as it is being deleted, whatever still holds it', async () => {
  const { mesh, apply, stop } = await startTestMesh();
  await apply(serviceEntry('1', { finalizers: ['weft.dev/withdrawal'] }));
  expect(mesh.get(key)).toBeDefined();
  await apply(serviceEntry('2', { finalizers: ['weft.dev/withdrawal'], deletionTimestamp: '2026-01-01T00:00:00Z' }));
  expect(mesh.get(key)).toBeUndefined();
  expect(mesh.verdicts.get(key)).toBeUndefined();
  expect(mesh.services.servicesOf('api.example.com')).toEqual([]);
  await stop();
});

it('does not put an object into the mesh again for its status, its finalizers or its resource version', async () => {
  const { mesh, apply, stop } = await startTestMesh();
  await apply(serviceEntry('1'));
  const { revision } = mesh;
  await apply(serviceEntry('2', {}, { status: { observedGeneration: 1 } }));
  await apply(serviceEntry('3', { finalizers: ['weft.dev/withdrawal'] }, { status: { observedGeneration: 1 } }));
  expect(mesh.revision).toBe(revision);
  await apply(serviceEntry('4', { labels: { app: 'x' } }));
  expect(mesh.revision).toBe(revision + 1);
  await stop();
});

it('judges an object of the same name anew after it was made anew', async () => {
  const { mesh, apply, stop } = await startTestMesh();
  await apply(serviceEntry('1', { uid: 'first' }));
  await apply(serviceEntry('2', { uid: 'second' }));
  expect(mesh.verdicts.get(key)).toMatchObject({ generation: 1, uid: 'second' });
  await stop();
});

it('looks at an EnvoyFilter again when its status says that a replica quarantined it, and not for other words about that', async () => {
  const { mesh, apply, stop } = await startTestMesh();
  const [filter] = parseObjects(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { namespace: shop, name: lua, generation: 4 }
spec: { configPatches: [{ applyTo: CLUSTER, patch: { operation: REMOVE } }] }`);
  const withStatus = (resourceVersion: string, reason: string, message: string) => {
    const metadata = { ...filter!.metadata, resourceVersion };
    const conditions = [{ type: 'Programmed', status: 'False', reason, message, observedGeneration: 4 }];
    return Object.assign({ ...filter!, metadata }, { status: { conditions } });
  };
  const quarantine = () => {
    const fragment = mesh.get('EnvoyFilter/shop/lua');
    return fragment?.kind === 'envoyFilter' ? fragment.envoyFilter.quarantine : undefined;
  };
  await apply(filter!);
  const { revision } = mesh;
  await apply(withStatus('2', 'Pending', 'on trial'));
  expect(mesh.revision).toBe(revision);
  await apply(withStatus('3', 'Quarantined', 'shop/far refused it'));
  expect(quarantine()).toBe('shop/far refused it');
  expect(mesh.revision).toBe(revision + 1);
  await apply(withStatus('4', 'Quarantined', 'in other words'));
  expect(mesh.revision).toBe(revision + 1);
  await stop();
});
