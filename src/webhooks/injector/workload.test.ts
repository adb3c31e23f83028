import { describe, expect, it } from 'vitest';
import { workloadOf } from './workload.ts';

const owned = (kind: string, name: string, labels: Record<string, string> = {}, apiVersion = 'apps/v1') => ({
  metadata: {
    generateName: `${name}-`,
    labels,
    ownerReferences: [
      { apiVersion: 'v1', kind: 'Other', name: 'x' },
      { apiVersion, kind, name, controller: true },
    ],
  },
  spec: { containers: [] },
});

describe('workloadOf', () => {
  it.each([
    [
      owned('ReplicaSet', 'web-5c9d', { 'pod-template-hash': '5c9d' }),
      { name: 'web', kind: 'Deployment', apiVersion: 'apps/v1' },
    ],
    [
      owned('ReplicaSet', 'web-5c9d', { 'rollouts-pod-template-hash': '5c9d' }),
      { name: 'web', kind: 'Rollout', apiVersion: 'argoproj.io/v1alpha1' },
    ],
    [owned('ReplicaSet', 'web'), { name: 'web', kind: 'ReplicaSet', apiVersion: 'apps/v1' }],
    [owned('StatefulSet', 'db'), { name: 'db', kind: 'StatefulSet', apiVersion: 'apps/v1' }],
    [owned('Job', 'nightly-28400000', {}, 'batch/v1'), { name: 'nightly', kind: 'CronJob', apiVersion: 'batch/v1' }],
    [owned('Job', 'once-1', {}, 'batch/v1'), { name: 'once-1', kind: 'Job', apiVersion: 'batch/v1' }],
    [
      owned('ReplicationController', 'web-2', { deploymentconfig: 'web' }, 'v1'),
      { name: 'web', kind: 'DeploymentConfig', apiVersion: 'apps.openshift.io/v1' },
    ],
    [
      { metadata: { name: 'alone' }, spec: { containers: [] } },
      { name: 'alone', kind: 'Pod', apiVersion: 'v1' },
    ],
    [
      { metadata: { generateName: 'a-' }, spec: { containers: [] } },
      { name: '', kind: 'Pod', apiVersion: 'v1' },
    ],
  ])('%#', (pod, expected) => {
    expect(workloadOf(pod)).toEqual(expected);
  });
});
