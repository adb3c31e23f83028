import type { KubernetesObject, ObjectMeta } from '../object.ts';

const kept: readonly (keyof ObjectMeta)[] = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
];

/**
 * The object with the metadata that {@link ObjectMeta} has and none of the rest: `managedFields` is often larger than the object.
 * A new object rather than one with fields deleted, which engines keep as a hash table.
 */
export function slimMetadata<T extends KubernetesObject>(object: T): T {
  const metadata: Record<string, unknown> = {};
  for (const field of kept) {
    const value = object.metadata[field];
    if (value !== undefined) metadata[field] = value;
  }
  return { ...object, metadata };
}
