import type { KubernetesObject } from '../../runtime/object.ts';
import { type KubernetesKind, type SentObject, slimMetadata } from './kind.ts';

/** A core/v1 Namespace: its name and its labels. */
export type Namespace = KubernetesObject;

/** Kubernetes' Namespace. */
export const namespaceKind: KubernetesKind<Namespace> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Namespace',
  plural: 'namespaces',
  scope: 'Cluster',
  slim: (object) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: slimMetadata(object as SentObject, { labels: 'all' }),
  }),
};
