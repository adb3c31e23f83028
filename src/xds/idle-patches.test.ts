import { expect, it } from 'vitest';
import { parseObjects, proxyNode, startTestMesh } from '../testing/load-mesh.ts';
import { describeIdlePatches } from './idle-patches.ts';
import { MeshClasses } from './mesh-classes.ts';

it('tells of patches that fit the proxy and do nothing, and why', async () => {
  const { mesh, apply, stop } = await startTestMesh();
  const patch = (match: string, rest: string) => `{ applyTo: CLUSTER, match: ${match}, patch: { ${rest} } }`;
  const merge = 'operation: MERGE, value: { connect_timeout: 1s }';
  await apply(
    ...parseObjects(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: a, namespace: shop }
spec:
  configPatches:
  - ${patch('{ cluster: { name: PassthroughCluster } }', merge)}
  - ${patch('{ cluster: { service: nowhere.example.com } }', merge)}
  - ${patch('{ context: GATEWAY }', merge)}
  - ${patch('{}', 'operation: ADD, value: { name: BlackHoleCluster }')}`),
  );
  expect(describeIdlePatches(new MeshClasses(mesh).join(proxyNode({ namespace: 'shop' })))).toEqual([
    'warning: EnvoyFilter shop/a: spec.configPatches[1] matches nothing in the configuration of this proxy',
    'warning: EnvoyFilter shop/a: spec.configPatches[3] could not be applied: the proxy has a cluster called BlackHoleCluster already',
  ]);
  await stop();
});
