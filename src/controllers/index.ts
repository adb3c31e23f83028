import type { Registry } from 'prom-client';
import { envoyFilterKind } from '../api/envoy-filter/kind.ts';
import type { MeshKind } from '../api/kind.ts';
import { serviceEntryKind } from '../api/service-entry/kind.ts';
import { sidecarKind } from '../api/sidecar/kind.ts';
import { workloadEntryKind } from '../api/workload-entry/kind.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Cache } from '../runtime/cache/cache.ts';
import { informerSource } from '../runtime/cache/informer-source.ts';
import type { Clock } from '../runtime/clock.ts';
import { Controller } from '../runtime/controller.ts';
import { enqueueRequestForObject } from '../runtime/event-handler.ts';
import type { Logger } from '../runtime/logger.ts';
import type { DeepReadonly, KubernetesObject } from '../runtime/object.ts';
import { compileEnvoyFilter, readEnvoyFilterStatus } from './envoy-filter/compile.ts';
import { type Compiled, FragmentReconciler } from './fragment-reconciler.ts';
import type { NamespaceFilter } from './kubernetes/namespace/namespace-filter.ts';
import { namespaceSource } from './kubernetes/namespace/namespace-source.ts';
import { wirePods } from './kubernetes/pod/wiring.ts';
import { wireServices } from './kubernetes/service/wiring.ts';
import { compileServiceEntry } from './service-entry/compile.ts';
import { compileSidecar } from './sidecar/compile.ts';
import { type Wiring, watch } from './wiring.ts';
import { compileWorkloadEntry } from './workload-entry/compile.ts';

export { NamespaceFilter } from './kubernetes/namespace/namespace-filter.ts';

/** What the mesh's controllers read from and write to. */
export interface MeshWiringOptions {
  readonly cache: Cache;
  readonly mesh: Mesh;
  /** Set where the objects come from a cluster. Absent: only the mesh's own kinds are read, in every namespace. */
  readonly kubernetes?: KubernetesOptions;
}

export interface KubernetesOptions {
  /** Which namespaces take part; made from the same cache and mesh. */
  readonly namespaces: NamespaceFilter;
  /** The cluster's DNS domain. Default `cluster.local`. */
  readonly clusterDomain?: string;
}

export interface MeshControllersOptions extends MeshWiringOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly registry?: Registry;
  /** Reconciles of distinct objects of one kind that may be under way at once. Default 4. */
  readonly maxConcurrentReconciles?: number;
}

/** One controller for each kind of the mesh: from the cache, through its queue, into the mesh. */
export function createMeshControllers(options: MeshControllersOptions): Controller[] {
  const { cache, mesh, kubernetes, maxConcurrentReconciles = 4, ...rest } = options;
  return wireMesh({ cache, mesh, ...(kubernetes ? { kubernetes } : {}) }).map(({ name, reconciler, watches }) => {
    // Every replica serves xDS, so every replica compiles.
    const controller = new Controller({ ...rest, name, group: 'everyReplica', reconciler, maxConcurrentReconciles });
    for (const { source, handler, predicates } of watches) controller.watch(source, handler, ...predicates);
    return controller;
  });
}

/** What the mesh's controllers are made of. Call it once for each cache: it adds the indexes that they read. */
export function wireMesh({ cache, mesh, kubernetes }: MeshWiringOptions): Wiring[] {
  const wiringOf = <T extends KubernetesObject>(
    kind: MeshKind<T>,
    compile: (object: DeepReadonly<T>) => Compiled,
    readStatus?: (object: DeepReadonly<T>) => string,
  ): Wiring => {
    const store = cache.store(kind);
    const includes = kubernetes && ((namespace: string) => kubernetes.namespaces.includes(namespace));
    return {
      name: kind.kind.toLowerCase(),
      reconciler: new FragmentReconciler({
        ...{ kind, store, mesh, compile },
        ...(readStatus ? { readStatus } : {}),
        ...(includes ? { includes } : {}),
      }),
      watches: [
        watch(informerSource(cache, kind), enqueueRequestForObject),
        ...(kubernetes ? [watch(namespaceSource(kubernetes.namespaces, store), enqueueRequestForObject)] : []),
      ],
    };
  };
  const own = [
    wiringOf(serviceEntryKind, compileServiceEntry),
    wiringOf(workloadEntryKind, compileWorkloadEntry),
    wiringOf(sidecarKind, compileSidecar),
    wiringOf(envoyFilterKind, compileEnvoyFilter, readEnvoyFilterStatus),
  ];
  if (!kubernetes) return own;
  const surroundings = {
    cache,
    mesh,
    namespaces: kubernetes.namespaces,
    clusterDomain: kubernetes.clusterDomain ?? 'cluster.local',
  };
  return [...own, wireServices(surroundings), wirePods(surroundings)];
}
