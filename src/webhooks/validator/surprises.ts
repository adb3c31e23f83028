import { formatPath } from '../../api/finding.ts';
import type { Fragment } from '../../mesh/mesh.ts';
import { parseObjectKey } from '../../mesh/object-key.ts';
import type { ServiceSpec } from '../../mesh/service.ts';
import type { Sidecar } from '../../mesh/sidecar.ts';
import type { Rival } from '../../mesh/sidecar-index.ts';
import { overlap } from '../../mesh/visibility.ts';

/** What an object is compared with: the mesh as it is now. */
export interface Surroundings {
  readonly rootNamespace: string;
  /** Every service of a host, whoever declares it. */
  servicesOf(hostname: string): readonly ServiceSpec[];
  /** The Sidecar that leaves this one no workload. */
  rivalOf(sidecar: Sidecar): Rival | undefined;
  /** The labels of every workload of a namespace: pods and WorkloadEntries; without a namespace, of the mesh. */
  workloads(namespace?: string): Iterable<Readonly<Record<string, string>>>;
}

/** The part of an object that selects workloads. */
export interface Selecting {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly workloadSelector?: { readonly labels?: Readonly<Record<string, string>> } };
}

/** The part of a ServiceEntry that claims hosts. */
export interface Claiming {
  readonly spec: { readonly hosts?: readonly string[] };
}

/** Hosts of an object that another one claims too, for proxies that see both. */
export function findClaimedHosts(object: Claiming, fragment: Fragment, surroundings: Surroundings): string[] {
  if (fragment.kind !== 'services') return [];
  return fragment.services.flatMap(({ spec }) => {
    const rival = surroundings.servicesOf(spec.hostname).find((other) => other.owner !== spec.owner && overlap(other, spec));
    if (!rival) return [];
    const index = (object.spec.hosts ?? []).findIndex((host) => host.toLowerCase().replace(/\.$/, '') === spec.hostname);
    const at = formatPath(['spec', 'hosts', index]);
    const { kind, namespace, name } = parseObjectKey(rival.owner);
    return [`${at}: ${kind} ${namespace}/${name} claims ${spec.hostname} too; of two objects, the older keeps a host`];
  });
}

/** A Sidecar that leaves the object no workload. */
export function findRivalSidecar(fragment: Fragment, surroundings: Surroundings): string[] {
  if (fragment.kind !== 'sidecar') return [];
  const { sidecar } = fragment;
  // What has not been stored yet is younger than all that has.
  const rival = surroundings.rivalOf({ ...sidecar, createdAtMs: sidecar.createdAtMs || Number.POSITIVE_INFINITY });
  if (!rival) return [];
  const { kind, namespace, name } = parseObjectKey(rival.key);
  return [`spec.workloadSelector: ${kind} ${namespace}/${name} ${rival.why}; it is the one in force`];
}

/** A selector that no workload has the labels of, as things are. */
export function findIdleSelector(kind: string, { metadata, spec }: Selecting, surroundings: Surroundings): string[] {
  const labels = Object.entries(spec.workloadSelector?.labels ?? {});
  if (labels.length === 0) return [];
  // In the root namespace, an EnvoyFilter is for the workloads of all.
  const isMeshWide = kind === 'EnvoyFilter' && metadata.namespace === surroundings.rootNamespace;
  const candidates = surroundings.workloads(isMeshWide ? undefined : metadata.namespace);
  for (const workload of candidates) if (labels.every(([key, value]) => workload[key] === value)) return [];
  const where = isMeshWide ? 'of the mesh' : `of namespace ${metadata.namespace}`;
  return [`spec.workloadSelector: no workload ${where} has these labels now`];
}
