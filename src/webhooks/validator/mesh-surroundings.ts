import type { WorkloadEntry } from '../../api/index.ts';
import type { Pod } from '../../api/kubernetes/pod.ts';
import type { Mesh } from '../../mesh/mesh.ts';
import type { ObjectStore } from '../../runtime/cache/object-store.ts';
import type { Surroundings } from './surprises.ts';

export interface MeshSurroundingsOptions {
  readonly mesh: Mesh;
  readonly pods: ObjectStore<Pod>;
  readonly workloadEntries: ObjectStore<WorkloadEntry>;
}

/** What objects under review are compared with: the mesh and the cache as they are when it is asked. */
export function meshSurroundings({ mesh, pods, workloadEntries }: MeshSurroundingsOptions): Surroundings {
  return {
    get rootNamespace() {
      return mesh.config.rootNamespace;
    },
    servicesOf: (hostname) => mesh.services.servicesOf(hostname).map(({ spec }) => spec),
    rivalOf: (sidecar) => mesh.sidecars.rivalOf(sidecar, mesh.config.rootNamespace),
    *workloads(namespace) {
      const where = namespace === undefined ? {} : { namespace };
      for (const { metadata } of pods.list(where)) yield metadata.labels ?? {};
      // Its own labels count too; those of its spec win.
      for (const { metadata, spec } of workloadEntries.list(where)) yield { ...metadata.labels, ...spec.labels };
    },
  };
}
