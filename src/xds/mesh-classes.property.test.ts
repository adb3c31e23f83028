import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pushOrder } from '../envoy/resource.ts';
import { defaultMeshConfig } from '../mesh/mesh-config.ts';
import { type KubernetesObject, objectName } from '../runtime/object.ts';
import { settledObjects } from '../testing/arbitrary-kubernetes.ts';
import { arbitraryConfig, arbitraryObject } from '../testing/arbitrary-objects.ts';
import { proxyNode } from '../testing/load-mesh.ts';
import { WiredMesh } from '../testing/wired-mesh.ts';
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

/** What may happen to a mesh. `node`: a proxy that comes or goes; `names`: so many reconciles. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('put' as const), object: arbitraryObject }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), object: arbitraryObject }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('config' as const), config: arbitraryConfig }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('work' as const), names: fc.constantFrom(1, 3, 1000, 1000) }) },
  { weight: 2, arbitrary: fc.constant({ type: 'refresh' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('toggle' as const), node: fc.nat(nodes.length - 1) }) },
);

describe('what is kept incrementally', () => {
  it('equals what is computed from nothing, and is consistent, after any history', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 60, size: 'max' }), (isSettled, history) => {
        const wired = new WiredMesh(defaultMeshConfig);
        const classes = new MeshClasses(wired.mesh);
        const present = new Map<string, KubernetesObject>();
        const put = (object: KubernetesObject) => {
          wired.apply(object);
          present.set(keyOf(object), object);
        };
        if (isSettled) for (const object of settledObjects) put(object);
        wired.work();
        const connected = new Map<number, ProxyClass>([
          [0, classes.join(nodes[0]!)],
          [1, classes.join(nodes[1]!)],
        ]);
        const refresh = () => {
          for (const node of classes.refresh().moved) {
            const index = nodes.indexOf(node);
            const left = connected.get(index)!;
            connected.set(index, classes.join(node));
            classes.leave(left, node);
          }
        };
        for (const event of history) {
          if (event.type === 'refresh') refresh();
          else if (event.type === 'work') wired.work(event.names);
          else if (event.type === 'config') wired.mesh.setConfig(event.config);
          else if (event.type === 'toggle') {
            const proxyClass = connected.get(event.node);
            if (proxyClass) classes.leave(proxyClass, nodes[event.node]!);
            if (proxyClass) connected.delete(event.node);
            else connected.set(event.node, classes.join(nodes[event.node]!));
          } else if (event.type === 'put') put(event.object);
          else {
            wired.remove(event.object);
            present.delete(keyOf(event.object));
          }
        }
        wired.work();
        refresh();
        const fresh = new WiredMesh(wired.mesh.config);
        for (const object of present.values()) fresh.apply(object);
        fresh.work();
        const freshClasses = new MeshClasses(fresh.mesh);
        for (const [index, proxyClass] of connected) {
          expect(proxyClass.key).toBe(freshClasses.classKeyOf(nodes[index]!));
          const kept = contents(proxyClass);
          expect(kept).toEqual(contents(freshClasses.join(nodes[index]!)));
          expect(findInconsistencies(pushOrder.flatMap((typeUrl) => [...proxyClass.table(typeUrl).values()]))).toEqual([]);
        }
        wired.close();
        fresh.close();
      }),
      { numRuns: Number(process.env.WEFT_PROPERTY_RUNS ?? 400) },
    );
  }, 900_000);
});

function keyOf(object: KubernetesObject): string {
  return `${object.kind} ${objectName(object)}`;
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
