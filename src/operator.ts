import { hostname } from 'node:os';
import type { KubeConfig } from '@kubernetes/client-node';
import { meshKinds } from './api/index.ts';
import { kubernetesKinds } from './api/kubernetes/index.ts';
import { type ControlPlane, createControlPlane } from './control-plane.ts';
import { namesOf } from './installation-names.ts';
import { addLeaderDuties, addReplication, type Replication } from './leader-duties.ts';
import type { MeshConfig } from './mesh/mesh-config.ts';
import { readMeshConfig } from './mesh/read-mesh-config.ts';
import { aborted } from './runtime/abort.ts';
import type { ReflectorTimes } from './runtime/cache/reflector-options.ts';
import type { Logger } from './runtime/logger.ts';
import type { BindAddress } from './runtime/manager/http-listener.ts';
import { Manager } from './runtime/manager/manager.ts';
import type { LeaderElectionOptions } from './runtime/manager/manager-options.ts';
import { addSecurity, type SecurityOptions } from './security.ts';
import { FileFollower } from './sources/file/file-follower.ts';
import {
  KubernetesCacheSource,
  type KubernetesCacheSourceOptions,
  watchedKind,
} from './sources/kubernetes/kubernetes-cache-source.ts';
import { createHttpRoutes } from './status/http-routes.ts';
import { replicaIdentity } from './status/replication/replica-identity.ts';
import { StatusPort } from './status/status-port.ts';
import { version } from './version.ts';
import type { RolloutOptions } from './xds/rollout/rollout-report.ts';
import { XdsRunnable } from './xds/xds-runnable.ts';

export interface OperatorOptions {
  readonly kubeConfig: KubeConfig;
  /** What the installation's own objects are called after. Default `weft`. */
  readonly name?: string;
  /** The namespace that the operator runs in. */
  readonly namespace: string;
  /** In force until the file of `meshConfigFile` says otherwise. */
  readonly config: MeshConfig;
  /** Followed at run time. Absent: `config` holds for good. */
  readonly meshConfigFile?: { readonly path: string; readonly text: string };
  /** Whether statuses and Events are written, by the leader. Default true. Of revisions side by side, one does. */
  readonly writesStatus?: boolean;
  /** How replicas add up their counts. Absent: the leader counts its own proxies only. */
  readonly replication?: Replication;
  /** How long the API server's silence is borne, and waits after failures. Default: client-go's. */
  readonly sourceTimes?: ReflectorTimes;
  /** How generations of an EnvoyFilter reach the fleet. */
  readonly rollout?: RolloutOptions;
  readonly logger: Logger;
  /**
   * Where proxies connect in plaintext, without saying who they are: whoever reaches it may have the configuration of every namespace.
   * Absent: nowhere.
   */
  readonly xdsBind?: { readonly host: string; readonly port: number };
  /** xDS over TLS, webhooks, and the authority behind them. Absent: none of these. */
  readonly security?: SecurityOptions;
  readonly httpBind: { readonly host: string; readonly port: number };
  readonly metricsBind: BindAddress;
  readonly healthBind: BindAddress;
  /** Durations and identity of the election. False: this replica is the only one and leads. */
  readonly leaderElection:
    | Pick<LeaderElectionOptions, 'identity' | 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'>
    | false;
}

/** Joins {@link createSource} to a control plane. */
interface SourceOptions extends Omit<KubernetesCacheSourceOptions, 'kinds' | 'keepsNamespace'> {
  readonly plane: ControlPlane;
}

/** A control plane for a cluster; {@link Manager.start} of `manager` runs it. */
export interface WeftOperator {
  readonly manager: Manager;
  /** Has clients of this replica leave for another one, as far as they do without a loss; it serves on. To be called a while before the stop. */
  drain(): void;
  /** Resolves, once proxies are served, with the addresses as bound. */
  readonly served: Promise<Record<'xds' | 'xdsTls' | 'http' | 'webhooks' | 'metrics' | 'health', string | undefined>>;
}

/**
 * The composition root in a cluster: makes the stages, joins them in the order in which a change travels, and gives them to a manager,
 * which starts them. A lost lease ends only what is the leader's: proxies are served on.
 */
export function createOperator(options: OperatorOptions): WeftOperator {
  const { kubeConfig, namespace, config, meshConfigFile, logger, xdsBind, httpBind, metricsBind, leaderElection } = options;
  const { writesStatus = true, name } = options;
  // Counts are for who writes status.
  const replication = writesStatus ? options.replication : undefined;
  const identity = replication && replicaIdentity(hostname(), replication.advertised);
  const manager = new Manager({
    ...{ kubeConfig, logger, metricsBind, healthProbeBind: options.healthBind, fieldManager: 'weft' },
    ...(leaderElection && {
      leaderElection: {
        ...(identity === undefined ? {} : { identity }),
        ...leaderElection,
        name: namesOf(name).lease,
        namespace,
        whenLost: 'standBy',
      },
    }),
  });
  const { cache, rest, clock, registry } = manager;

  const { rollout } = options;
  const plane = createControlPlane({ cache, config, clock, logger, registry, isCluster: true, ...(rollout && { rollout }) });
  const { mesh, controllers, xds, status } = plane;
  const source = createSource({ plane, rest, cache, logger, clock, ...options.sourceTimes });
  const security = options.security && addSecurity(manager, plane, namespace, options.security);
  const proxies = new XdsRunnable<'xds' | 'xdsTls'>({
    xds,
    ports: { ...(xdsBind && { xds: xdsBind }), ...(security && { xdsTls: security.port }) },
    caughtUp: () => Promise.all(controllers.map(({ caughtUp }) => caughtUp)),
  });
  const isReady = () => proxies.isServing;
  const statusPort = new StatusPort({
    bind: httpBind,
    routes: createHttpRoutes({ status, xds, version, diagnostics: () => [], isReady }),
  });
  for (const part of [source, statusPort, ...controllers, proxies]) manager.add(part);
  manager.add({ name: 'stages', group: 'server', start: (signal) => aborted(signal).then(plane.close) });
  if (writesStatus) addLeaderDuties(manager, plane, isReady, replication);
  if (replication && identity !== undefined) addReplication(manager, plane, identity, replication, security?.authority);
  if (meshConfigFile) {
    const { path: file, text } = meshConfigFile;
    const onChange = (next: string) => takeMeshConfig(next, file, logger, (read) => mesh.setConfig(read));
    manager.add(new FileFollower({ file, text, onChange, clock, logger }));
  }

  manager.addReadyzCheck('caches', () => {
    const problems = source.status().filter(({ lists }) => lists === 0);
    if (problems.length)
      throw new Error(problems.map(({ resource, problem }) => `${resource}: ${problem ?? 'being listed'}`).join('; '));
  });
  manager.addReadyzCheck('xds', () => {
    if (!isReady())
      throw new Error('no proxies are served before the first lists are in and worked off, and a certificate is there');
  });
  const served = proxies.served.then(({ xds, xdsTls }) => ({
    ...{ xds, xdsTls, http: statusPort.address, webhooks: security?.webhookAddress },
    ...{ metrics: manager.metricsAddress, health: manager.healthProbeAddress },
  }));
  return { manager, served, drain: () => security?.drain() };
}

/** What fills the cache of a control plane from an API server: every kind that it reads, of the namespaces that take part. */
export function createSource({ plane, ...options }: SourceOptions): KubernetesCacheSource {
  const kinds = [
    ...meshKinds.map((kind) => watchedKind({ kind })),
    ...kubernetesKinds.map((kind) => watchedKind({ kind, transform: (object) => kind.slim(object) })),
  ];
  const { namespaces } = plane;
  const keepsNamespace = (name: string) => namespaces?.includes(name) ?? true;
  const source = new KubernetesCacheSource({ ...options, kinds, keepsNamespace });
  namespaces?.onChange((change) => source.namespacesChanged(change.namespaces));
  return source;
}

/** Puts a changed mesh config in force; one with errors leaves the last in force. */
function takeMeshConfig(text: string, file: string, logger: Logger, take: (config: MeshConfig) => unknown): void {
  const { config, errors, warnings } = readMeshConfig(text, file);
  for (const problem of warnings) logger.warn('Mesh config', { problem });
  for (const problem of errors) logger.error('The mesh config cannot be used; the last good one stays in force', { problem });
  if (errors.length) return;
  take(config);
  logger.info('The mesh config has changed', { file });
}
