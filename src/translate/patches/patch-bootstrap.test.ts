import { describe, expect, it } from 'vitest';
import { parseObjects } from '../../testing/load-mesh.ts';
import { patchBootstrap } from './patch-bootstrap.ts';
import { compileFilter } from './testing/compile-filters.ts';

const bootstrap = {
  node: { id: 'n', cluster: 'c' },
  admin: { address: { socket_address: { address: '127.0.0.1', port_value: 15000 } } },
  static_resources: { clusters: [{ name: 'xds', connect_timeout: '1s' }] },
  dynamic_resources: { ads_config: { api_type: 'GRPC', transport_api_version: 'V3' } },
};

function select(...patches: readonly object[]) {
  const [object] = parseObjects(
    '{ apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: { namespace: shop, name: f }, spec: {} }',
  );
  const filter = compileFilter({ ...object!, spec: { configPatches: patches } } as never);
  return [{ filter, patches: filter.patches }];
}

describe('patchBootstrap', () => {
  it('merges, appending to lists', () => {
    const outcome = patchBootstrap(
      bootstrap,
      select({
        applyTo: 'BOOTSTRAP',
        patch: {
          operation: 'MERGE',
          value: { static_resources: { clusters: [{ name: 'extra' }] }, stats_flush_interval: '500ms' },
        },
      }),
    );
    expect(outcome).toEqual({
      bootstrap: {
        ...bootstrap,
        static_resources: { clusters: [...bootstrap.static_resources.clusters, { name: 'extra' }] },
        stats_flush_interval: '0.500s',
      },
      matched: [{ object: 'EnvoyFilter/shop/f', index: 0 }],
      failed: [],
    });
  });

  it('merges, replacing lists', () => {
    const value = { static_resources: { clusters: [{ name: 'only' }] } };
    const outcome = patchBootstrap(
      bootstrap,
      select({ applyTo: 'BOOTSTRAP', patch: { operation: 'MERGE_AND_REPLACE_LIST', value } }),
    );
    expect(outcome.bootstrap).toEqual({ ...bootstrap, ...value });
  });

  it('answers the very bootstrap where no patch is for a sidecar’s', () => {
    const filters = select(
      { applyTo: 'BOOTSTRAP', match: { context: 'GATEWAY' }, patch: { operation: 'MERGE', value: { node: { id: 'x' } } } },
      { applyTo: 'CLUSTER', patch: { operation: 'REMOVE' } },
      { applyTo: 'BOOTSTRAP', patch: { operation: 'ADD', value: { node: { id: 'x' } } } },
    );
    expect(patchBootstrap(bootstrap, filters)).toEqual({ bootstrap, matched: [], failed: [] });
  });

  it('refuses what is no bootstrap', () => {
    const filters = select({ applyTo: 'BOOTSTRAP', patch: { operation: 'MERGE', value: { node: { id: 'x' } } } });
    expect(() => patchBootstrap({ nobody: 'knows' }, filters)).toThrow('nobody');
  });
});
