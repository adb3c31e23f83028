import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServiceEntry } from '../api/service-entry/schema.ts';
import type { Sidecar } from '../api/sidecar/schema.ts';
import type { WorkloadEntry } from '../api/workload-entry/schema.ts';
import { compileServiceEntry } from '../controllers/service-entry/compile.ts';
import { compileSidecar } from '../controllers/sidecar/compile.ts';
import { compileWorkloadEntry } from '../controllers/workload-entry/compile.ts';
import { pushOrder } from '../envoy/resource.ts';
import { Mesh } from '../mesh/mesh.ts';
import { defaultMeshConfig } from '../mesh/mesh-config.ts';
import { objectKey } from '../mesh/object-key.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import { arbitraryObject } from '../testing/arbitrary-objects.ts';
import { proxyNode } from '../testing/load-mesh.ts';
import { findInconsistencies } from '../translate/consistency.ts';
import { MeshClasses } from './mesh-classes.ts';
import type { ProxyClass } from './proxy-class.ts';

const nodes = [
  proxyNode({ namespace: 'shop', labels: { app: 'x', tier: 'one' } }),
  proxyNode({
    namespace: 'client',
    ipFamilies: 'dual',
    ipAddresses: ['10.1.1.1', '2001:db8:1::1'],
    metadata: { DNS_CAPTURE: 'true' },
  }),
  proxyNode({ namespace: 'shop', name: 'bound', ipAddresses: ['10.1.1.9'], interceptionMode: 'NONE', labels: { app: 'y' } }),
  proxyNode({ namespace: 'elsewhere', ipFamilies: 'ipv6', ipAddresses: ['2001:db8:1::9'] }),
];

/** What may happen to a mesh. `node`: a proxy that comes or goes. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('put' as const), object: arbitraryObject }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), object: arbitraryObject }) },
  { weight: 2, arbitrary: fc.constant({ type: 'refresh' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('toggle' as const), node: fc.nat(nodes.length - 1) }) },
);

describe('what is kept incrementally', () => {
  it('equals what is computed from nothing, and is consistent, after any history', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (history) => {
        const mesh = new Mesh(defaultMeshConfig, () => 0);
        const classes = new MeshClasses(mesh);
        const present = new Map<string, KubernetesObject>();
        const connected = new Map<number, ProxyClass>([
          [0, classes.join(nodes[0]!)],
          [1, classes.join(nodes[1]!)],
        ]);
        const refresh = () => {
          if (!classes.refresh().membershipChanged) return;
          for (const [index, proxyClass] of connected) {
            connected.set(index, classes.join(nodes[index]!));
            classes.leave(proxyClass, nodes[index]!);
          }
        };
        for (const event of history) {
          if (event.type === 'refresh') refresh();
          else if (event.type === 'toggle') {
            const proxyClass = connected.get(event.node);
            if (proxyClass) classes.leave(proxyClass, nodes[event.node]!);
            if (proxyClass) connected.delete(event.node);
            else connected.set(event.node, classes.join(nodes[event.node]!));
          } else {
            const { kind, metadata } = event.object;
            const key = objectKey(kind, metadata.namespace, metadata.name);
            if (event.type === 'delete') {
              mesh.delete(key);
              present.delete(key);
            } else {
              put(mesh, event.object);
              present.set(key, event.object);
            }
          }
        }
        refresh();
        const fresh = new Mesh(defaultMeshConfig, () => 0);
        for (const object of present.values()) put(fresh, object);
        const freshClasses = new MeshClasses(fresh);
        for (const [index, proxyClass] of connected) {
          expect(proxyClass.key).toBe(freshClasses.classKeyOf(nodes[index]!));
          const kept = contents(proxyClass);
          expect(kept).toEqual(contents(freshClasses.join(nodes[index]!)));
          expect(findInconsistencies(pushOrder.flatMap((typeUrl) => [...proxyClass.table(typeUrl).values()]))).toEqual([]);
        }
      }),
      { numRuns: Number(process.env.WEFT_PROPERTY_RUNS ?? 400) },
    );
  }, 60_000);
});

function put(mesh: Mesh, object: KubernetesObject): void {
  const compiled =
    object.kind === 'ServiceEntry'
      ? compileServiceEntry(object as ServiceEntry)
      : object.kind === 'Sidecar'
        ? compileSidecar(object as Sidecar)
        : compileWorkloadEntry(object as WorkloadEntry);
  if (compiled.outcome !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(object)}`);
  mesh.put(objectKey(object.kind, object.metadata.namespace, object.metadata.name), compiled.fragment);
}

function contents(proxyClass: ProxyClass): Record<string, string> {
  const entries = pushOrder.flatMap((typeUrl) =>
    [...proxyClass.table(typeUrl).values()].map((resource): [string, string] => [
      `${typeUrl} ${resource.name}`,
      resource.version,
    ]),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
