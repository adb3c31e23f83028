import type { KubernetesObject, ObjectMeta } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';

/** A coordination.k8s.io/v1 Lease, as far as leader election reads and writes it. */
export interface Lease extends KubernetesObject {
  metadata: ObjectMeta;
  spec?: LeaseSpec;
}

/** The election's record. Times are MicroTime and for people only: nobody compares them with a clock of their own. */
export interface LeaseSpec {
  /** Empty or absent: nobody holds it. */
  holderIdentity?: string;
  /** How long others wait without seeing a change before they take it. */
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  /** How often the holder changed. */
  leaseTransitions?: number;
}

/** How a Lease is named and served. */
export const leaseKind: ResourceKind<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
};

/** What leader election asks of an API server. Every call rejects when the answer is an error, and heeds the signal. */
export interface LeaseApi {
  /** Undefined if there is no such Lease. */
  get(namespace: string, name: string, signal: AbortSignal): Promise<Lease | undefined>;
  /** Rejects if there is one already. */
  create(lease: Lease, signal: AbortSignal): Promise<Lease>;
  /** Replaces it. Rejects if `metadata.resourceVersion` is not the present one. */
  update(lease: Lease, signal: AbortSignal): Promise<Lease>;
}
