/**
 * Names one object of any kind: `ServiceEntry/shop/api`. Provenance, conflicts and status refer to objects by it.
 * A string, because Maps compare objects by reference.
 */
export type ObjectKey = string;

/** The key of an object that has a namespace. */
export function objectKey(kind: string, namespace: string, name: string): ObjectKey {
  return `${kind}/${namespace}/${name}`;
}

/** The parts of a key made by {@link objectKey}. */
export function parseObjectKey(key: ObjectKey): { kind: string; namespace: string; name: string } {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return { kind, namespace, name };
}
