import type { KubernetesObject } from '../../runtime/object.ts';
import { type KubernetesKind, type SentObject, slimMetadata } from './kind.ts';

/** Where a node stands, from the widest to the narrowest: Kubernetes' well-known labels, and Istio's for what is below a zone. */
export const localityLabels = {
  region: 'topology.kubernetes.io/region',
  zone: 'topology.kubernetes.io/zone',
  subZone: 'topology.istio.io/subzone',
} as const;

/** A core/v1 Node: of its labels those that tell its locality. Its status, written every few seconds, is not read. */
export type KubernetesNode = KubernetesObject;

/** Kubernetes' Node. */
export const nodeKind: KubernetesKind<KubernetesNode> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Node',
  plural: 'nodes',
  scope: 'Cluster',
  slim: (object) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: slimMetadata(object as SentObject, { labels: Object.values(localityLabels) }),
  }),
};
