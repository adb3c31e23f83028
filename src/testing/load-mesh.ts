import { parseAllDocuments } from 'yaml';
import { meshKinds } from '../api/index.ts';
import { kubernetesKinds } from '../api/kubernetes/index.ts';
import { namespaceKind } from '../api/kubernetes/namespace.ts';
import { createMeshControllers, NamespaceFilter } from '../controllers/index.ts';
import { Mesh } from '../mesh/mesh.ts';
import { defaultMeshConfig, type MeshConfig } from '../mesh/mesh-config.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { Cache } from '../runtime/cache/cache.ts';
import { silentLogger } from '../runtime/logger.ts';
import { type KubernetesObject, objectName } from '../runtime/object.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';

/** A mesh fed through the real controllers, for tests. */
export interface TestMesh {
  readonly mesh: Mesh;
  readonly cache: Cache;
  /** Applies objects and waits until they are reconciled. */
  apply(...objects: KubernetesObject[]): Promise<void>;
  remove(...objects: KubernetesObject[]): Promise<void>;
  stop(): Promise<void>;
}

/** Every kind that a mesh is made from: its own, and Kubernetes'. */
export const everyKind: readonly ResourceKind[] = [...meshKinds, ...kubernetesKinds];

/** The kind of an object; throws for one that the mesh is not made from. */
export function kindOf({ apiVersion, kind }: Pick<KubernetesObject, 'apiVersion' | 'kind'>): ResourceKind {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  const found = everyKind.find((candidate) => candidate.kind === kind && candidate.group === group);
  if (!found) throw new Error(`${apiVersion} ${kind} is no kind that the mesh is made from`);
  return found;
}

/** Starts controllers on an empty cache. */
export async function startTestMesh(config: Partial<MeshConfig> = {}): Promise<TestMesh> {
  const stop = new AbortController();
  const cache = new Cache();
  const mesh = new Mesh({ ...defaultMeshConfig, ...config });
  const namespaces = new NamespaceFilter(cache.store(namespaceKind), mesh);
  const controllers = createMeshControllers({ cache, mesh, logger: silentLogger, kubernetes: { namespaces } });
  const running = Promise.all(controllers.map((controller) => controller.start(stop.signal)));
  const settle = async () => {
    // Reconcilers are synchronous: two turns after the event the queue has been worked off.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const kind of everyKind) cache.store(kind).replace([]);
  await settle();
  return {
    mesh,
    cache,
    async apply(...objects) {
      for (const object of objects) cache.store(kindOf(object)).apply(object);
      await settle();
    },
    async remove(...objects) {
      for (const object of objects) cache.store(kindOf(object)).delete(objectName(object));
      await settle();
    },
    async stop() {
      stop.abort();
      namespaces.close();
      await running;
    },
  };
}

/** Objects from YAML, with the metadata that a source would add, and of Kubernetes' own kinds what a source would keep. */
export function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null)
    .map((object) => {
      const namespace = kindOf(object).scope === 'Cluster' ? '' : (object.metadata.namespace ?? 'default');
      const sent: KubernetesObject = {
        ...object,
        metadata: {
          generation: 1,
          resourceVersion: '1',
          uid: `${object.kind}-${object.metadata.name}`,
          creationTimestamp: '2026-01-01T00:00:00Z',
          ...object.metadata,
          namespace,
        },
      };
      return kubernetesKinds.find((kind) => kind === kindOf(object))?.slim(sent) ?? sent;
    });
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
