import type { WorkloadEntry } from '../../api/workload-entry/schema.ts';
import { objectKey } from '../../mesh/object-key.ts';
import type { DeepReadonly } from '../../runtime/object.ts';
import { compileEndpoint } from '../endpoint.ts';
import type { Compiled } from '../fragment-reconciler.ts';

/** A WorkloadEntry as a workload that selectors may pick. The object's own labels count too; those of its spec win (Istio's rule). */
export function compileWorkloadEntry(object: DeepReadonly<WorkloadEntry>): Compiled {
  const { metadata, spec } = object;
  const owner = objectKey('WorkloadEntry', metadata.namespace, metadata.name);
  const endpoint = compileEndpoint(spec, owner);
  if (!endpoint) {
    return {
      outcome: 'unsupported',
      finding: {
        severity: 'error',
        path: 'spec.address',
        segments: ['spec', 'address'],
        message:
          'a workload without an address, reached through the gateway of its network, is not supported; give it an address',
      },
    };
  }
  const labels = { ...metadata.labels, ...endpoint.labels };
  return {
    outcome: 'accepted',
    fragment: { kind: 'workload', workload: { ...endpoint, labels, namespace: metadata.namespace, name: metadata.name } },
  };
}
