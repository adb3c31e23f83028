import type { Pod } from '../../../api/kubernetes/pod.ts';
import { objectKey } from '../../../mesh/object-key.ts';
import type { Locality, Workload } from '../../../mesh/service.ts';
import type { DeepReadonly } from '../../../runtime/object.ts';
import { canonicalAddress } from '../../endpoint.ts';

/**
 * A pod as a workload that the selector of a ServiceEntry may pick; undefined once it has ended, and before it has an address.
 * Istio sends none that is not ready, or terminates; its own proxy goes on serving it all the same.
 */
export function compilePod(pod: DeepReadonly<Pod>, locality: Locality | undefined): Workload | undefined {
  const { metadata, status, namedPorts } = pod;
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const [address, ...additionalAddresses] = status.podIPs.map(canonicalAddress);
  if (address === undefined) return undefined;
  const isFit = status.isReady && metadata.deletionTimestamp === undefined;
  return {
    address,
    ...(additionalAddresses.length ? { additionalAddresses } : {}),
    ports: namedPorts,
    labels: metadata.labels ?? {},
    ...(locality ? { locality } : {}),
    weight: 1,
    ...(isFit ? {} : { health: 'withheld' }),
    owner: objectKey('Pod', metadata.namespace, metadata.name),
    namespace: metadata.namespace,
    name: metadata.name,
    isPod: true,
  };
}
