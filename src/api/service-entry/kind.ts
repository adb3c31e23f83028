import { type MeshKind, networkingGroup, networkingVersions } from '../kind.ts';
import { serviceEntryStatusSchema } from '../status.ts';
import { type ServiceEntry, serviceEntrySchema } from './schema.ts';
import { checkServiceEntry } from './validate.ts';

/** Istio's ServiceEntry. */
export const serviceEntryKind: MeshKind<ServiceEntry> = {
  group: networkingGroup,
  version: 'v1',
  servedVersions: networkingVersions,
  crdVersions: networkingVersions,
  kind: 'ServiceEntry',
  plural: 'serviceentries',
  shortNames: ['se'],
  scope: 'Namespaced',
  columns: [
    { name: 'Hosts', type: 'string', jsonPath: '.spec.hosts', description: 'DNS names of the service.' },
    { name: 'Location', type: 'string', jsonPath: '.spec.location', description: 'Whether the service is part of the mesh.' },
    { name: 'Resolution', type: 'string', jsonPath: '.spec.resolution', description: 'How the proxy finds endpoints.' },
  ],
  specSchema: serviceEntrySchema,
  statusSchema: serviceEntryStatusSchema,
  checkSpec: checkServiceEntry,
};
