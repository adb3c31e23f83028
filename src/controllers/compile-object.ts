import {
  type MeshKind,
  type ServiceEntry,
  type Sidecar,
  serviceEntryKind,
  sidecarKind,
  type WorkloadEntry,
  workloadEntryKind,
} from '../api/index.ts';
import type { DeepReadonly, KubernetesObject } from '../runtime/object.ts';
import type { Compiled } from './fragment-reconciler.ts';
import { compileServiceEntry } from './service-entry/compile.ts';
import { compileSidecar } from './sidecar/compile.ts';
import { compileWorkloadEntry } from './workload-entry/compile.ts';

/**
 * What a valid object would mean to the mesh, for those who look at objects before they are stored. Undefined for EnvoyFilters, whose
 * validation says all there is to say beforehand.
 */
export function compileObject(kind: MeshKind, object: DeepReadonly<KubernetesObject>): Compiled | undefined {
  switch (kind as unknown) {
    case serviceEntryKind:
      return compileServiceEntry(object as DeepReadonly<ServiceEntry>);
    case sidecarKind:
      return compileSidecar(object as DeepReadonly<Sidecar>);
    case workloadEntryKind:
      return compileWorkloadEntry(object as DeepReadonly<WorkloadEntry>);
    default:
      return undefined;
  }
}
