import type { Client } from '../client/client.ts';
import { type LeaseApi, leaseKind } from './lease.ts';

/** Leases on an API server. */
export function clientLeaseApi(client: Pick<Client, 'getLive' | 'create' | 'update'>): LeaseApi {
  return {
    get: (namespace, name, signal) => client.getLive(leaseKind, `${namespace}/${name}`, { signal }),
    create: (lease, signal) => client.create(leaseKind, lease, { signal }),
    update: (lease, signal) => client.update(leaseKind, lease, { signal }),
  };
}
