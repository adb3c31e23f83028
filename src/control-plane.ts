import type { Registry } from 'prom-client';
import { namespaceKind } from './api/kubernetes/namespace.ts';
import { createMeshControllers, NamespaceFilter } from './controllers/index.ts';
import { Mesh } from './mesh/mesh.ts';
import type { MeshConfig } from './mesh/mesh-config.ts';
import type { Cache } from './runtime/cache/cache.ts';
import type { Clock } from './runtime/clock.ts';
import type { Controller } from './runtime/controller.ts';
import type { Logger } from './runtime/logger.ts';
import { MergedPropagation } from './status/replication/merged-propagation.ts';
import { StatusTracker } from './status/status-tracker.ts';
import type { PodFilters } from './xds/filter-source.ts';
import { MeshClasses } from './xds/mesh-classes.ts';
import { EnvoyFilterRollout } from './xds/rollout/envoy-filter-rollout.ts';
import { defaultRolloutOptions, type RolloutOptions } from './xds/rollout/rollout-report.ts';
import { createXdsServer, type XdsServer } from './xds/server.ts';

export interface ControlPlaneOptions {
  /** What a source fills. */
  readonly cache: Cache;
  readonly config: MeshConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  /** The cache also holds Kubernetes' own kinds, and namespaces may be left out by `discoverySelectors`. */
  readonly isCluster: boolean;
  /** How generations of an EnvoyFilter reach the fleet. Default {@link defaultRolloutOptions}. */
  readonly rollout?: RolloutOptions;
}

/** The stages behind the cache, joined in the order in which a change travels. Nothing runs yet. */
export interface ControlPlane {
  readonly mesh: Mesh;
  readonly controllers: readonly Controller[];
  /** Only in a cluster. */
  readonly namespaces: NamespaceFilter | undefined;
  readonly xds: XdsServer;
  /** The counts of this replica, and of those that stream theirs to it. */
  readonly merged: MergedPropagation;
  readonly status: StatusTracker;
  readonly podFilters: PodFilters;
  /** Follows no more changes; xDS is closed by whoever opened it. */
  close(): void;
}

/** Makes the stages that `standalone` and `operator` have in common: from the cache by reconcilers into the mesh, xDS and status. */
export function createControlPlane({ isCluster, ...options }: ControlPlaneOptions): ControlPlane {
  const { cache, config, clock, logger, registry } = options;
  const mesh = new Mesh(config, clock.now);
  const namespaces = isCluster ? new NamespaceFilter(cache.store(namespaceKind), mesh) : undefined;
  const controllers = createMeshControllers({
    ...{ cache, mesh, logger, clock, registry },
    ...(namespaces ? { kubernetes: { namespaces } } : {}),
  });
  const rollout = new EnvoyFilterRollout({ mesh, clock, logger, options: options.rollout ?? defaultRolloutOptions });
  const xds = createXdsServer({ classes: new MeshClasses(mesh, logger, rollout), rollout, clock, logger, registry });
  const merged = new MergedPropagation({ local: xds.ledger, mesh, clock });
  // In a cluster pods tell of every workload, those behind other replicas too.
  const proxies = isCluster ? {} : { proxies: () => xds.nodes() };
  const status = new StatusTracker({ mesh, ledger: merged, clock, logger, ...proxies });
  const close = () => {
    namespaces?.close();
    rollout.close();
    status.close();
    merged.close();
  };
  const podFilters: PodFilters = (namespace, labels) => rollout.served(namespace, labels);
  return { mesh, controllers, namespaces, xds, merged, status, podFilters, close };
}
