import { type MeshKind, networkingGroup, networkingVersions } from '../kind.ts';
import { meshStatusSchema } from '../status.ts';
import { type EnvoyFilter, envoyFilterSchema } from './schema.ts';
import { checkEnvoyFilter } from './validate.ts';

/** Istio's EnvoyFilter, which its CRD serves as v1alpha3 only. */
export const envoyFilterKind: MeshKind<EnvoyFilter> = {
  group: networkingGroup,
  version: 'v1alpha3',
  servedVersions: networkingVersions,
  crdVersions: ['v1alpha3'],
  kind: 'EnvoyFilter',
  plural: 'envoyfilters',
  shortNames: [],
  scope: 'Namespaced',
  columns: [],
  specSchema: envoyFilterSchema,
  statusSchema: meshStatusSchema,
  checkSpec: checkEnvoyFilter,
};
