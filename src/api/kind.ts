import type { Registry } from '@bufbuild/protobuf';
import type { TSchema } from 'typebox';
import type { KubernetesObject } from '../runtime/object.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { Place } from './finding.ts';

/** API group of every kind in this folder. */
export const networkingGroup = 'networking.istio.io';

/** The versions in which Istio has published these kinds, all of one shape; objects of any of them are accepted. */
export const networkingVersions = ['v1', 'v1beta1', 'v1alpha3'] as const;

/** A column that `kubectl get` shows. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description: string;
}

/** What validation may look at besides the object itself. */
export interface ValidationContext {
  /** Envoy's message types. Without them, the values of EnvoyFilter patches are not compared with the messages they patch. */
  readonly envoyTypes?: Registry;
}

/** A mesh kind: how it is named and served, what it looks like, which rules it has. Types, validation and CRD come from here. */
export interface MeshKind<T extends KubernetesObject = KubernetesObject> extends ResourceKind<T> {
  /** Versions that the CRD serves; the kind's `version` is the stored one. */
  readonly crdVersions: readonly string[];
  readonly shortNames: readonly string[];
  /** Columns besides those that every mesh kind has. */
  readonly columns: readonly PrinterColumn[];
  readonly specSchema: TSchema;
  readonly statusSchema: TSchema;
  /** Reports what the schema cannot say; only called with an object that has the schema's structure. */
  checkSpec(object: T, spec: Place, context: ValidationContext): void;
}
