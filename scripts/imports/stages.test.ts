import { describe, expect, it } from 'vitest';
import { explainForbidden, stages } from './stages.ts';

describe('explainForbidden', () => {
  it.each([
    ['mesh/mesh.ts', 'mesh/scope.ts'],
    ['mesh/mesh.ts', 'api/index.ts'],
    ['translate/clusters/outbound-cluster.ts', 'envoy/gen/envoy/config/cluster/v3/cluster_pb.js'],
    ['controllers/index.ts', 'runtime/cache/cache.ts'],
    ['main.ts', 'sources/file/file-source.ts'],
    ['cli/commands/standalone.ts', 'main.ts'],
    ['runtime/queue/work-queue.test.ts', 'mesh/mesh.ts'],
    ['testing/load-mesh.ts', 'controllers/index.ts'],
    ['xds/server.test.ts', '../e2e/env/envoy.ts'],
  ])('lets %s import %s', (from, to) => expect(explainForbidden(from, to)).toBeUndefined());

  it.each([
    ['runtime/controller.ts', 'mesh/mesh.ts', /src\/runtime imports only its own files/],
    ['mesh/mesh.ts', 'xds/ledger.ts', /src\/mesh imports only src\/api/],
    ['translate/targets.ts', 'status/conditions.ts', /src\/translate imports only src\/mesh, src\/api, src\/envoy/],
    ['sources/file/file-source.ts', 'mesh/mesh.ts', /src\/sources imports only/],
    ['status/status-tracker.ts', 'main.ts', /src\/status imports only/],
    ['xds/server.ts', 'cli/main.ts', /src\/xds imports only/],
    ['mesh/mesh.ts', 'testing/load-mesh.ts', /made for tests/],
    ['mesh/mesh.ts', 'mesh/testing/objects.ts', /made for tests/],
    ['mesh/mesh.ts', 'mesh/mesh.test.ts', /made for tests/],
    ['version.ts', '../package.json', /outside of src/],
    ['xds/mesh-class.ts', 'translate/clusters/outbound-cluster.ts', /src\/translate\/clusters is private/],
    ['cli/commands/wait.ts', 'xds/wire/parse-nack.ts', /src\/xds\/wire is private/],
    ['somewhere/server.ts', 'api/index.ts', /src\/somewhere has no rule/],
  ])('forbids %s to import %s', (from, to, why) => expect(explainForbidden(from, to)).toMatch(why));

  it('lets a type through where it says so, but no value', () => {
    expect(explainForbidden('envoy/resource.ts', 'mesh/object-key.ts', { isType: true })).toBeUndefined();
    expect(explainForbidden('envoy/resource.ts', 'mesh/object-key.ts')).toMatch(/src\/envoy imports only its own files/);
    expect(explainForbidden('envoy/registry.ts', 'mesh/object-key.ts', { isType: true })).toBeDefined();
  });
});

describe('stages', () => {
  it('go one way: no stage reaches itself through those that it imports', () => {
    const reach = (name: string, seen = new Set<string>()): Set<string> => {
      for (const next of stages[name]?.imports ?? []) if (!seen.has(next)) reach(next, seen.add(next));
      return seen;
    };
    expect(Object.keys(stages).filter((name) => reach(name).has(name))).toEqual([]);
  });
});
