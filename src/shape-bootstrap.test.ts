import { expect, it } from 'vitest';
import { type LoggedLine, logInto } from './runtime/testing/log-lines.ts';
import { bootstrapShaper } from './shape-bootstrap.ts';
import { parseObjects, startTestMesh } from './testing/load-mesh.ts';
import { defaultInjectionConfig } from './webhooks/injector/config/injection-config.ts';

const filter = (name: string, more: string, value: string) => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ${name}, namespace: shop}
spec: {${more} configPatches: [{applyTo: BOOTSTRAP, match: {proxy: {metadata: {TIER: gold}}}, patch: {operation: MERGE, value: ${value}}}]}
---`;

it('patches the bootstrap of the pods that a filter is for, by the node that they will have', async () => {
  const world = await startTestMesh();
  const lines: LoggedLine[] = [];
  const shape = bootstrapShaper((...pod) => world.mesh.envoyFilters.select(...pod, 'istio-system'), logInto(lines));
  const bootstrap = { node: { id: '$(POD_NAME)', metadata: { TIER: 'gold' } }, stats_flush_interval: '5s' };
  const web = { namespace: 'shop', labels: { app: 'web' } };
  expect(shape(bootstrap, web)).toBe(bootstrap);
  await world.apply(...parseObjects(filter('a', 'workloadSelector: {labels: {app: web}},', '{stats_flush_interval: 9s}')));
  expect(shape(bootstrap, web)).toMatchObject({ node: { id: '$(POD_NAME)' }, stats_flush_interval: '9s' });
  expect(shape(bootstrap, { ...web, labels: { app: 'db' } })).toBe(bootstrap);
  expect(shape(bootstrap, { ...web, namespace: 'other' })).toBe(bootstrap);
  const silver = { ...bootstrap, node: { id: 'x', metadata: { TIER: 'silver' } } };
  expect(shape(silver, web)).toBe(silver);
  // What cannot be read as a bootstrap starts as it is.
  const strange = { ...bootstrap, nobody: 'knows' };
  expect(shape(strange, web)).toBe(strange);
  expect(lines.map(({ message }) => message)).toEqual([expect.stringContaining('A bootstrap could not be patched')]);
  await world.stop();
});

it('patches for a version of Istio, which injected sidecars tell', async () => {
  const world = await startTestMesh();
  const shape = bootstrapShaper((...pod) => world.mesh.envoyFilters.select(...pod, 'istio-system'), logInto([]));
  const versioned = (name: string, proxyVersion: string, value: string) =>
    filter(name, '', value).replace('metadata: {TIER: gold}', `proxyVersion: '${proxyVersion}'`);
  await world.apply(
    ...parseObjects(versioned('new', '^1\\.[23][0-9]\\.', '{stats_flush_interval: 2s}')),
    ...parseObjects(versioned('old', '^1\\.1[0-9]\\.', '{header_prefix: x}')),
  );
  const node = { id: 'a', metadata: { ISTIO_VERSION: defaultInjectionConfig.istioVersion } };
  expect(shape({ node }, { namespace: 'shop', labels: {} })).toEqual({ node, stats_flush_interval: '2s' });
  await world.stop();
});
