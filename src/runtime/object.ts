/** A value that its reader must not change: what the cache hands out is shared by every reader. */
export type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** The metadata that is kept of an object; everything else the API server sends is dropped before an object is kept. */
export interface ObjectMeta {
  name: string;
  /** Empty for cluster-scoped objects. */
  namespace: string;
  uid?: string;
  resourceVersion?: string;
  /** Counts changes of `spec`. Objects from files count the contents the file source has seen, from 1. */
  generation?: number;
  /** RFC 3339, UTC. Decides who is older where two objects claim the same thing. */
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  /** The objects that this one goes with: when the last of them is deleted, the API server deletes it too. */
  ownerReferences?: OwnerReference[];
}

/** Names an owner in the same namespace, or a cluster-scoped one. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  /** The one owner that manages the object. Default false. */
  controller?: boolean;
  /** Foreground deletion of the owner waits for this object. Default false. */
  blockOwnerDeletion?: boolean;
}

/** Any Kubernetes object as sources deliver it and the cache keeps it. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of a work queue item and of a cache entry of one kind. */
export type ObjectName = string;

/** The key of an object among its kind. */
export function objectName(object: DeepReadonly<KubernetesObject>): ObjectName {
  const { namespace, name } = object.metadata;
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Splits a key made by {@link objectName}; the namespace is empty where there was none. */
export function parseObjectName(key: ObjectName): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
