import { type MeshKind, networkingGroup, networkingVersions } from '../kind.ts';
import { meshStatusSchema } from '../status.ts';
import { type Sidecar, sidecarSchema } from './schema.ts';
import { checkSidecar } from './validate.ts';

/** Istio's Sidecar. */
export const sidecarKind: MeshKind<Sidecar> = {
  group: networkingGroup,
  version: 'v1',
  servedVersions: networkingVersions,
  crdVersions: networkingVersions,
  kind: 'Sidecar',
  plural: 'sidecars',
  shortNames: [],
  scope: 'Namespaced',
  columns: [],
  specSchema: sidecarSchema,
  statusSchema: meshStatusSchema,
  checkSpec: checkSidecar,
};
