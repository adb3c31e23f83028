import fc from 'fast-check';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { type KubernetesObject, objectName } from '../runtime/object.ts';
import { settledObjects } from './arbitrary-kubernetes.ts';
import { arbitraryConfig, arbitraryObject } from './arbitrary-objects.ts';
import { proxyNode } from './load-mesh.ts';
import { WiredMesh } from './wired-mesh.ts';

/** Proxies that the objects of a {@link RandomWorld} concern: of several namespaces, address families and ways of interception. */
export const worldProxies: readonly ProxyNode[] = [
  proxyNode({ namespace: 'shop', labels: { app: 'x', tier: 'one' }, metadata: { ISTIO_VERSION: '1.24.1' } }),
  // Of the class of the one before, as long as no filter tells them apart.
  proxyNode({ namespace: 'shop', name: 'second', labels: { app: 'x', tier: 'one' }, metadata: { TEAM: 'red' } }),
  proxyNode({
    namespace: 'client',
    ipFamilies: 'dual',
    ipAddresses: ['10.1.1.1', '2001:db8:1::1'],
    metadata: { DNS_CAPTURE: 'true' },
  }),
  proxyNode({ namespace: 'shop', name: 'bound', ipAddresses: ['10.1.1.9'], interceptionMode: 'NONE', labels: { app: 'y' } }),
  proxyNode({ namespace: 'elsewhere', ipFamilies: 'ipv6', ipAddresses: ['2001:db8:1::9'] }),
];

/** What may happen to a world. `names`: so many reconciles. */
export type WorldStep =
  | { readonly type: 'put' | 'delete'; readonly object: KubernetesObject }
  | { readonly type: 'config'; readonly config: MeshConfig }
  | { readonly type: 'work'; readonly names: number };

/** Every step, each as often as it should come: to be joined by what a test does besides. */
export const worldSteps: readonly fc.WeightedArbitrary<WorldStep>[] = [
  { weight: 8, arbitrary: fc.record({ type: fc.constant('put'), object: arbitraryObject }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete'), object: arbitraryObject }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('config'), config: arbitraryConfig }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('work'), names: fc.constantFrom(1, 3, 1000, 1000) }) },
];

/** Objects of every kind that come, change and go, and the mesh that is kept in step with them. */
export class RandomWorld {
  readonly wired = new WiredMesh(defaultMeshConfig);
  /** The objects there are, by key. */
  readonly present = new Map<string, KubernetesObject>();
  /** The keys of all that there ever were. */
  readonly seen = new Set<string>();

  /** @param isSettled it begins with Services, Pods and what belongs to them */
  constructor(isSettled: boolean) {
    if (isSettled) for (const object of settledObjects) this.#put(object);
    this.wired.work();
  }

  take(step: WorldStep): void {
    if (step.type === 'work') this.wired.work(step.names);
    else if (step.type === 'config') this.wired.mesh.setConfig(step.config);
    else if (step.type === 'put') this.#put(step.object);
    else {
      this.wired.remove(step.object);
      this.present.delete(keyOf(step.object));
    }
  }

  /** A mesh of the objects that are there now, which has never had any others. */
  fromNothing(): WiredMesh {
    const fresh = new WiredMesh(this.wired.mesh.config);
    for (const object of this.present.values()) fresh.apply(object);
    fresh.work();
    return fresh;
  }

  #put(object: KubernetesObject): void {
    this.seen.add(keyOf(object));
    this.wired.apply(object);
    this.present.set(keyOf(object), object);
  }
}

/** How often a property is tried and from which seed: `npm run equivalence` says so by its environment. */
export function propertyRuns(numRuns: number): fc.Parameters<unknown> {
  const { WEFT_PROPERTY_RUNS: runs, WEFT_PROPERTY_SEED: seed } = process.env;
  return { numRuns: runs ? Number(runs) : numRuns, ...(seed && { seed: Number(seed) }) };
}

function keyOf(object: KubernetesObject): string {
  return `${object.kind}/${objectName(object)}`;
}
