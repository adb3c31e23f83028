import { parseAllDocuments } from 'yaml';
import { meshKindOf } from '../api/index.ts';
import { createMeshControllers } from '../controllers/index.ts';
import { Mesh } from '../mesh/mesh.ts';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { Cache } from '../runtime/cache/cache.ts';
import { silentLogger } from '../runtime/logger.ts';
import type { KubernetesObject } from '../runtime/object.ts';

/** A mesh fed through the real controllers, for tests. */
export interface TestMesh {
  readonly mesh: Mesh;
  readonly cache: Cache;
  /** Applies objects and waits until they are reconciled. */
  apply(...objects: KubernetesObject[]): Promise<void>;
  remove(...objects: KubernetesObject[]): Promise<void>;
  stop(): Promise<void>;
}

/** Starts controllers on an empty cache. */
export async function startTestMesh(config: Partial<MeshConfig> = {}): Promise<TestMesh> {
  const stop = new AbortController();
  const cache = new Cache();
  const mesh = new Mesh({ ...defaultMeshConfig, ...config });
  const controllers = createMeshControllers({ cache, mesh, logger: silentLogger });
  const running = Promise.all(controllers.map((controller) => controller.start(stop.signal)));
  const storeOf = (object: KubernetesObject) => {
    const kind = meshKindOf(object.apiVersion, object.kind);
    if (!kind) throw new Error(`${object.apiVersion} ${object.kind} is no kind of the mesh`);
    return cache.store(kind);
  };
  const settle = async () => {
    // Reconcilers are synchronous: two turns after the event the queue has been worked off.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const kind of ['ServiceEntry', 'Sidecar', 'EnvoyFilter', 'WorkloadEntry']) {
    cache.store(meshKindOf('networking.istio.io/v1', kind)!).replace([]);
  }
  await settle();
  return {
    mesh,
    cache,
    async apply(...objects) {
      for (const object of objects) storeOf(object).apply(object);
      await settle();
    },
    async remove(...objects) {
      for (const object of objects) storeOf(object).delete(`${object.metadata.namespace}/${object.metadata.name}`);
      await settle();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** Objects from YAML, with the metadata that a source would add. */
export function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null)
    .map((object) => ({
      ...object,
      metadata: {
        generation: 1,
        resourceVersion: '1',
        uid: `${object.kind}-${object.metadata.name}`,
        creationTimestamp: '2026-01-01T00:00:00Z',
        ...object.metadata,
        namespace: object.metadata.namespace ?? 'default',
      },
    }));
}

/** A proxy as xDS would read it from its node; by default an intercepting IPv4 sidecar of `default/client`. */
export function proxyNode(overrides: Partial<ProxyNode> = {}): ProxyNode {
  const { namespace = 'default', name = 'client', ipAddresses = ['10.1.1.1'] } = overrides;
  return {
    id: `sidecar~${ipAddresses[0]}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    type: 'sidecar',
    name,
    namespace,
    ipAddresses,
    ipFamilies: 'ipv4',
    labels: {},
    dnsDomain: `${namespace}.svc.cluster.local`,
    interceptionMode: 'REDIRECT',
    clusterId: 'Kubernetes',
    serviceAccount: 'default',
    metadata: {},
    ...overrides,
  };
}
