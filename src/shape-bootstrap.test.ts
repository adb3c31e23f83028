import { expect, it } from 'vitest';
import { type LoggedLine, logInto } from './runtime/testing/log-lines.ts';
import { bootstrapShaper } from './shape-bootstrap.ts';
import { parseObjects, startTestMesh } from './testing/load-mesh.ts';

const filter = (name: string, more: string, value: string) => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ${name}, namespace: shop}
spec: {${more} configPatches: [{applyTo: BOOTSTRAP, match: {proxy: {metadata: {TIER: gold}}}, patch: {operation: MERGE, value: ${value}}}]}
---`;

it('patches the bootstrap of the pods that a filter is for, by the node that they will have', async () => {
  const world = await startTestMesh();
  const lines: LoggedLine[] = [];
  const shape = bootstrapShaper(world.mesh, logInto(lines));
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
