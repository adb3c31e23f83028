import type { DeepReadonly, KubernetesObject, ObjectMeta, OwnerReference } from './object.ts';

/** The API group of an `apiVersion`; empty for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

/** A reference to the object, for the metadata of what belongs to it. Throws if the object has not been stored yet and so has no uid. */
export function ownerReferenceTo(
  owner: DeepReadonly<KubernetesObject>,
  /** Default: neither the managing owner nor waited for in a foreground deletion. */
  options: { readonly controller?: boolean; readonly blockOwnerDeletion?: boolean } = {},
): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  if (!metadata.uid)
    throw new Error(`${kind} ${metadata.name} has no uid: it can own nothing until the API server has stored it`);
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, ...options };
}

/** The reference to the managing owner; undefined if there is none. */
export function controllerOf(metadata: DeepReadonly<ObjectMeta>): DeepReadonly<OwnerReference> | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller);
}

/** Whether the object is among the owners, by group, kind and name. */
export function hasOwner(metadata: DeepReadonly<ObjectMeta>, owner: DeepReadonly<KubernetesObject>): boolean {
  return (metadata.ownerReferences ?? []).some((reference) => sameOwner(reference, { ...owner, name: owner.metadata.name }));
}

/**
 * The metadata with `owner` as one of the owners; a reference that is there is replaced. Throws for an owner in another namespace,
 * which Kubernetes takes for a deleted one.
 */
export function withOwner(metadata: ObjectMeta, owner: DeepReadonly<KubernetesObject>): ObjectMeta {
  return withReference(metadata, owner, ownerReferenceTo(owner));
}

/**
 * The metadata with `owner` as the managing owner, whose foreground deletion waits for the object. Throws if another one manages
 * it already, and for an owner in another namespace.
 */
export function withControllerOwner(metadata: ObjectMeta, owner: DeepReadonly<KubernetesObject>): ObjectMeta {
  const reference = ownerReferenceTo(owner, { controller: true, blockOwnerDeletion: true });
  const present = controllerOf(metadata);
  if (present && !sameOwner(present, reference)) {
    throw new Error(
      `${describe(metadata)} is managed by ${present.kind} ${present.name} already; ${reference.kind} ${reference.name} cannot manage it too`,
    );
  }
  return withReference(metadata, owner, reference);
}

/** The metadata without `owner` among the owners. */
export function withoutOwner(metadata: ObjectMeta, owner: DeepReadonly<KubernetesObject>): ObjectMeta {
  const named = { ...owner, name: owner.metadata.name };
  return { ...metadata, ownerReferences: (metadata.ownerReferences ?? []).filter((reference) => !sameOwner(reference, named)) };
}

function withReference(metadata: ObjectMeta, owner: DeepReadonly<KubernetesObject>, reference: OwnerReference): ObjectMeta {
  const { namespace } = owner.metadata;
  if (namespace !== '' && namespace !== metadata.namespace) {
    const where = metadata.namespace === '' ? 'in no namespace' : `in namespace ${metadata.namespace}`;
    throw new Error(
      `${describe(metadata)} is ${where} and cannot have an owner in namespace ${namespace}: ${owner.kind} ${owner.metadata.name}`,
    );
  }
  const present = metadata.ownerReferences ?? [];
  const at = present.findIndex((other) => sameOwner(other, reference));
  return { ...metadata, ownerReferences: at < 0 ? [...present, reference] : present.with(at, reference) };
}

function sameOwner(
  a: { readonly apiVersion: string; readonly kind: string; readonly name: string },
  b: { readonly apiVersion: string; readonly kind: string; readonly name: string },
): boolean {
  return a.kind === b.kind && a.name === b.name && groupOf(a.apiVersion) === groupOf(b.apiVersion);
}

function describe({ namespace, name }: ObjectMeta): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
