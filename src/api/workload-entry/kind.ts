import { type MeshKind, networkingGroup, networkingVersions } from '../kind.ts';
import { meshStatusSchema } from '../status.ts';
import { type WorkloadEntry, workloadEntrySchema } from './schema.ts';
import { checkWorkloadEntry } from './validate.ts';

/** Istio's WorkloadEntry. */
export const workloadEntryKind: MeshKind<WorkloadEntry> = {
  group: networkingGroup,
  version: 'v1',
  servedVersions: networkingVersions,
  crdVersions: networkingVersions,
  kind: 'WorkloadEntry',
  plural: 'workloadentries',
  shortNames: ['we'],
  scope: 'Namespaced',
  columns: [{ name: 'Address', type: 'string', jsonPath: '.spec.address', description: 'Address of the workload.' }],
  specSchema: workloadEntrySchema,
  statusSchema: meshStatusSchema,
  checkSpec: checkWorkloadEntry,
};
