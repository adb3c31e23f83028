import { envoyFilterKind, type Finding, type MeshKind, validate } from '../api/index.ts';
import { envoyTypes } from '../envoy/registry.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';

/** Validates an object of a mesh kind. Envoy's types are only loaded when there is a filter to compare with them. */
export function checkObject(kind: ResourceKind, object: unknown): Finding[] {
  return validate(kind as MeshKind, object, kind === envoyFilterKind ? { envoyTypes: envoyTypes() } : {});
}
