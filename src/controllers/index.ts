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
import { compileEnvoyFilter } from './envoy-filter/compile.ts';
import { type Compiled, FragmentReconciler } from './fragment-reconciler.ts';
import { compileServiceEntry } from './service-entry/compile.ts';
import { compileSidecar } from './sidecar/compile.ts';
import { compileWorkloadEntry } from './workload-entry/compile.ts';

export interface MeshControllersOptions {
  readonly cache: Cache;
  readonly mesh: Mesh;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly registry?: Registry;
  /** Reconciles of distinct objects of one kind that may be under way at once. Default 4. */
  readonly maxConcurrentReconciles?: number;
}

/** One controller for each kind of the mesh: from the cache, through its queue, into the mesh. */
export function createMeshControllers(options: MeshControllersOptions): Controller[] {
  const { cache, mesh, maxConcurrentReconciles = 4, ...rest } = options;
  const controllerFor = <T extends KubernetesObject>(
    kind: MeshKind<T>,
    compile: (object: DeepReadonly<T>) => Compiled,
  ): Controller => {
    const reconciler = new FragmentReconciler({ kind, store: cache.store(kind), mesh, compile });
    const controller = new Controller({
      ...rest,
      name: kind.kind.toLowerCase(),
      // Every replica serves xDS, so every replica compiles.
      group: 'everyReplica',
      reconciler,
      maxConcurrentReconciles,
    });
    controller.watch(informerSource(cache, kind), enqueueRequestForObject);
    return controller;
  };
  return [
    controllerFor(serviceEntryKind, compileServiceEntry),
    controllerFor(workloadEntryKind, compileWorkloadEntry),
    controllerFor(sidecarKind, compileSidecar),
    controllerFor(envoyFilterKind, compileEnvoyFilter),
  ];
}
