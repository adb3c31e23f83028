import type { KubernetesObject } from './object.ts';

/** What controller-runtime asks of Scheme and RESTMapper: one value that says how a kind is named and served. */
export interface ResourceKind<T extends KubernetesObject = KubernetesObject> {
  /** API group; empty for the core group. */
  readonly group: string;
  /** The version that is read and written. */
  readonly version: string;
  /** Every version under which objects of this kind are accepted, all with the same shape. */
  readonly servedVersions: readonly string[];
  readonly kind: string;
  /** Lower-case plural, as in the API's path. */
  readonly plural: string;
  readonly scope: 'Namespaced' | 'Cluster';
  /** Carries the type only; never set. */
  readonly objectType?: T;
}
