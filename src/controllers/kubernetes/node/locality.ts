import { type KubernetesNode, localityLabels } from '../../../api/kubernetes/node.ts';
import type { Pod } from '../../../api/kubernetes/pod.ts';
import type { Locality } from '../../../mesh/service.ts';
import type { DeepReadonly } from '../../../runtime/object.ts';
import { parseLocality } from '../../endpoint.ts';

/** Istio's labels by which a pod states a locality of its own, the first one winning. */
const podLocalityLabels = ['topology.istio.io/locality', 'istio-locality'] as const;

/** Where a node stands, by its labels; undefined where none of them says. */
export function nodeLocality(node: DeepReadonly<KubernetesNode> | undefined): Locality | undefined {
  const labels = node?.metadata.labels ?? {};
  const {
    region = '',
    zone = '',
    subZone = '',
  } = {
    region: labels[localityLabels.region],
    zone: labels[localityLabels.zone],
    subZone: labels[localityLabels.subZone],
  };
  return region || zone || subZone ? { region, zone, subZone } : undefined;
}

/** The locality that a pod's own labels state, with `.` or `/` between its parts (labels cannot hold a `/`); undefined: none. */
export function podLocalityLabel(pod: DeepReadonly<Pod>): string | undefined {
  for (const name of podLocalityLabels) {
    const value = pod.metadata.labels?.[name];
    if (value) return value.includes('/') ? value : value.replaceAll('.', '/');
  }
  return undefined;
}

/** Where a pod runs: what its labels say, else where its node stands (Istio's order). */
export function podLocality(pod: DeepReadonly<Pod>, node: DeepReadonly<KubernetesNode> | undefined): Locality | undefined {
  return parseLocality(podLocalityLabel(pod)) ?? nodeLocality(node);
}
