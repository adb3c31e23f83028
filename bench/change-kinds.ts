import { typeUrls } from '../src/envoy/resource.ts';
import type { Mark } from './arrivals.ts';
import { appName, appSidecar, changingSidecarFile, elsewhere, rootNamespace, scriptFilter } from './fleet-world.ts';
import type { Affected } from './processes/load-clients.ts';
import { fileOf, type WorldDirectory } from './world-directory.ts';
import {
  changingCluster,
  changingEntry,
  foreignHost,
  namespaceName,
  namespaceSidecar,
  sharedNamespace,
  type WorldShape,
} from './worlds.ts';

/** A kind of change that can be made over and over. */
export interface ChangeKind {
  readonly what: string;
  /** The object that the mesh takes in. */
  readonly key: string;
  /** What shows that the change has arrived at a proxy. */
  readonly marks: readonly Mark[];
  /** The proxies that see it; absent: all. */
  readonly affected?: Affected;
  /** How long the control plane is left alone before each change: longer than configuration changes are held together. */
  readonly idleMs: number;
  /** Makes the change. Answers when the file had changed. */
  make(directory: WorldDirectory, round: number): number;
  /** Takes it back where it cannot be made twice, with the same marks. */
  unmake?(directory: WorldDirectory): void;
}

/** One endpoint of ten of an HTTP service that the proxies of a namespace see; absent: of one that every proxy sees. */
export function endpointChange(namespace?: string): ChangeKind {
  const owner = namespace ?? sharedNamespace;
  const file = fileOf(owner, 'moving');
  return {
    what: 'one endpoint',
    key: `ServiceEntry/${owner}/moving`,
    marks: [{ typeUrl: typeUrls.endpoint, name: changingCluster('moving', owner) }],
    ...(namespace === undefined ? {} : { affected: { namespace } }),
    idleMs: 20,
    make: (directory, round) => directory.replace(file, changingEntry('moving', owner, round + 1)),
  };
}

/** A new HTTP service that the proxies of a namespace see, or every proxy: cluster, endpoints and route. */
export function newServiceEntry(namespace?: string): ChangeKind {
  const owner = namespace ?? sharedNamespace;
  const file = fileOf(owner, 'new');
  return {
    what: 'new ServiceEntry',
    key: `ServiceEntry/${owner}/new`,
    marks: [{ typeUrl: typeUrls.cluster, name: changingCluster('new', owner) }, outboundRoute],
    ...(namespace === undefined ? {} : { affected: { namespace } }),
    idleMs: configurationIdleMs,
    make: (directory, round) => directory.replace(file, changingEntry('new', owner, round)),
    unmake: (directory) => directory.remove(file),
  };
}

/** A host of another namespace comes into a namespace's Sidecar, or goes: that namespace's proxies see it. */
export function sidecarChange(shape: WorldShape): ChangeKind {
  const namespace = namespaceName(0);
  const { host, cluster } = foreignHost(1, shape);
  return {
    what: 'Sidecar',
    key: `Sidecar/${namespace}/default`,
    marks: [{ typeUrl: typeUrls.cluster, name: cluster }, outboundRoute],
    affected: { namespace },
    idleMs: configurationIdleMs,
    make: (directory, round) =>
      directory.replace(fileOf('sidecars', namespace), namespaceSidecar(namespace, round % 2 === 0 ? [host] : [])),
  };
}

/** The same of the Sidecar of one app: only its replicas see it. */
export function appSidecarChange(shape: WorldShape): ChangeKind {
  const namespace = namespaceName(0);
  const app = appName(0);
  const { host, cluster } = foreignHost(2, shape);
  const always = elsewhere(0, 0, shape);
  return {
    what: 'Sidecar of one app',
    key: `Sidecar/${namespace}/${app}`,
    marks: [{ typeUrl: typeUrls.cluster, name: cluster }, outboundRoute],
    affected: { namespace, app },
    idleMs: configurationIdleMs,
    make: (directory, round) =>
      directory.replace(changingSidecarFile, appSidecar(0, 0, round % 2 === 0 ? [always, host] : [always])),
  };
}

/** A new generation of an EnvoyFilter with a script for each outbound HTTP listener of a namespace's proxies; absent: of all. */
export function filterChange(namespace?: string): ChangeKind {
  const owner = namespace ?? rootNamespace;
  return {
    what: namespace === undefined ? 'EnvoyFilter in the root namespace' : 'EnvoyFilter in one namespace',
    key: `EnvoyFilter/${owner}/script`,
    marks: [{ typeUrl: typeUrls.listener, name: '0.0.0.0_80' }],
    ...(namespace === undefined ? {} : { affected: { namespace } }),
    idleMs: configurationIdleMs,
    make: (directory, round) => directory.replace(fileOf(owner, 'script'), scriptFilter(owner, round + 1)),
  };
}

const configurationIdleMs = 130;
const outboundRoute: Mark = { typeUrl: typeUrls.route, name: '80' };
