import { ignoreNotFound } from './client/api-error.ts';
import type { CallOptions, Client } from './client/client.ts';
import type { JsonPatchOperation, Patch } from './client/patch.ts';
import { type DeepReadonly, type KubernetesObject, objectName } from './object.ts';
import type { ResourceKind } from './resource-kind.ts';

/** Whether the object waits for this finalizer before it is gone. */
export function containsFinalizer(object: DeepReadonly<KubernetesObject>, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) ?? false;
}

/**
 * Adds the finalizer by a patch that touches nothing else, so it needs no retry when somebody writes the status meanwhile. Resolves
 * to whether that was needed: false if the object has it, is being deleted (the API server allows no new ones then) or is gone.
 * Rejects if the finalizers are not as in `object` any more (ApiError 422): reconcile again with what the cache then has.
 */
export async function addFinalizer<T extends KubernetesObject>(
  client: Pick<Client, 'patch'>,
  kind: ResourceKind<T>,
  object: DeepReadonly<T>,
  finalizer: string,
  options: CallOptions = {},
): Promise<boolean> {
  if (containsFinalizer(object, finalizer) || object.metadata.deletionTimestamp !== undefined) return false;
  const present = object.metadata.finalizers ?? [];
  return patchFinalizers(client, kind, object, options, [
    // RFC 6902 calls a test of a path that is not there an error; the API server lets it pass for null.
    { op: 'test', path: '/metadata/finalizers', value: present.length > 0 ? [...present] : null },
    { op: 'add', path: '/metadata/finalizers', value: [...present, finalizer] },
  ]);
}

/**
 * Takes the finalizer away by a patch that touches nothing else. Resolves to whether that was needed: false if the object does not
 * have it or is gone. Rejects if the finalizers are not as in `object` any more (ApiError 422).
 */
export async function removeFinalizer<T extends KubernetesObject>(
  client: Pick<Client, 'patch'>,
  kind: ResourceKind<T>,
  object: DeepReadonly<T>,
  finalizer: string,
  options: CallOptions = {},
): Promise<boolean> {
  const at = object.metadata.finalizers?.indexOf(finalizer) ?? -1;
  if (at < 0) return false;
  const path = `/metadata/finalizers/${at}`;
  return patchFinalizers(client, kind, object, options, [
    { op: 'test', path, value: finalizer },
    { op: 'remove', path },
  ]);
}

async function patchFinalizers<T extends KubernetesObject>(
  client: Pick<Client, 'patch'>,
  kind: ResourceKind<T>,
  object: DeepReadonly<T>,
  options: CallOptions,
  operations: readonly JsonPatchOperation[],
): Promise<boolean> {
  const { uid } = object.metadata;
  // Another object of the same name is none of ours.
  const sameObject: JsonPatchOperation[] = uid === undefined ? [] : [{ op: 'test', path: '/metadata/uid', value: uid }];
  const patch: Patch = { type: 'json', operations: [...sameObject, ...operations] };
  return (await ignoreNotFound(client.patch(kind, objectName(object), patch, options))) !== undefined;
}
