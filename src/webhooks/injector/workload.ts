import type { OwnerReference, Pod } from './pod.ts';

/** What a pod belongs to: its Deployment, its CronJob, or itself. */
export interface Workload {
  /** Empty while a pod without an owner has no name yet. */
  readonly name: string;
  readonly kind: string;
  readonly apiVersion: string;
}

/** A CronJob names its Jobs after itself and the minute that they were due, in 8 to 10 digits. */
const cronJobName = /^(.+)-\d{8,10}$/;

/**
 * The workload that created a pod, told from its controller and the names that controllers give, as Istio does: a ReplicaSet stands
 * for its Deployment (or Argo Rollout), a Job for its CronJob, a ReplicationController for its DeploymentConfig.
 */
export function workloadOf(pod: Pod): Workload {
  const { name = '', generateName, ownerReferences = [], labels = {} } = pod.metadata ?? {};
  const owner = generateName ? ownerReferences.find(({ controller }) => controller === true) : undefined;
  if (!owner) return { name, kind: 'Pod', apiVersion: 'v1' };
  return ownerOfOwner(owner, labels) ?? { name: owner.name, kind: owner.kind, apiVersion: owner.apiVersion };
}

function ownerOfOwner(
  { kind, name, apiVersion }: OwnerReference,
  labels: Readonly<Record<string, string>>,
): Workload | undefined {
  if (kind === 'ReplicaSet') {
    const deployment = withoutHash(name, labels['pod-template-hash']);
    if (deployment) return { name: deployment, kind: 'Deployment', apiVersion };
    const rollout = withoutHash(name, labels['rollouts-pod-template-hash']);
    return rollout ? { name: rollout, kind: 'Rollout', apiVersion: 'argoproj.io/v1alpha1' } : undefined;
  }
  if (kind === 'ReplicationController' && labels.deploymentconfig) {
    return { name: labels.deploymentconfig, kind: 'DeploymentConfig', apiVersion: 'apps.openshift.io/v1' };
  }
  const cronJob = kind === 'Job' ? cronJobName.exec(name)?.[1] : undefined;
  return cronJob ? { name: cronJob, kind: 'CronJob', apiVersion: 'batch/v1' } : undefined;
}

function withoutHash(name: string, hash: string | undefined): string | undefined {
  return hash && name.endsWith(`-${hash}`) ? name.slice(0, -hash.length - 1) : undefined;
}
