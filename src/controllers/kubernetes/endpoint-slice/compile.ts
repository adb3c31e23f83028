import type { EndpointSlice, SliceEndpoint, SlicePort } from '../../../api/kubernetes/endpoint-slice.ts';
import type { ObjectKey } from '../../../mesh/object-key.ts';
import type { Endpoint, EndpointHealth, Locality, ServicePort } from '../../../mesh/service.ts';
import type { DeepReadonly } from '../../../runtime/object.ts';
import { canonicalAddress } from '../../endpoint.ts';

/** Finds where an endpoint of a slice stands; undefined: unknown. */
export type LocateEndpoint = (endpoint: DeepReadonly<SliceEndpoint>, namespace: string) => Locality | undefined;

interface Draft {
  readonly addresses: Set<string>;
  readonly ports: Record<string, number>;
  readonly locality: Locality | undefined;
  health: EndpointHealth | undefined;
}

/**
 * The endpoints that a Service's slices list, in an order that follows from the slices alone. A pod with addresses of both
 * families is one endpoint; so is one that two slices list, as happens while it moves from one to the other.
 */
export function compileEndpoints(
  slices: readonly DeepReadonly<EndpointSlice>[],
  ports: readonly ServicePort[],
  owner: ObjectKey,
  locate: LocateEndpoint,
): Endpoint[] {
  const drafts = new Map<string, Draft>();
  for (const slice of slices.toSorted(compareSlices)) {
    // Istio leaves slices of host names alone: EDS carries addresses only.
    if (slice.addressType === 'FQDN') continue;
    const numbers = portNumbers(slice.ports, ports);
    for (const endpoint of slice.endpoints) {
      for (const [key, addresses] of identitiesOf(endpoint)) {
        const health = healthOf(endpoint);
        const draft = drafts.get(key);
        if (!draft) {
          const locality = locate(endpoint, slice.metadata.namespace);
          drafts.set(key, { addresses: new Set(addresses), ports: { ...numbers }, locality, health });
          continue;
        }
        for (const address of addresses) draft.addresses.add(address);
        for (const name in numbers) draft.ports[name] ||= numbers[name]!;
        draft.health = better(draft.health, health);
      }
    }
  }
  return [...drafts.values()].map(({ addresses, ports: numbers, locality, health }) => {
    const [address = '', ...additionalAddresses] = addresses;
    return {
      address,
      ...(additionalAddresses.length ? { additionalAddresses } : {}),
      ports: numbers,
      labels: {},
      ...(locality ? { locality } : {}),
      weight: 1,
      ...(health ? { health } : {}),
      owner,
    };
  });
}

/** IPv4 before IPv6, so that this is the address a dual-stack pod is known by; then by name. */
function compareSlices(a: DeepReadonly<EndpointSlice>, b: DeepReadonly<EndpointSlice>): number {
  const [keyA, keyB] = [a, b].map(({ addressType, metadata }) => `${addressType} ${metadata.name}`);
  return keyA! < keyB! ? -1 : 1;
}

/** The number behind each port of the Service, by name; 0: these endpoints do not serve it. */
function portNumbers(slicePorts: readonly DeepReadonly<SlicePort>[], ports: readonly ServicePort[]): Record<string, number> {
  const numberOf = (name: string) =>
    slicePorts.find((port) => (port.name ?? '') === name && (port.protocol ?? 'TCP') === 'TCP')?.port ?? 0;
  return Object.fromEntries(ports.map(({ name }) => [name, numberOf(name)]));
}

/** What tells an endpoint from others: its pod; without one, each of its addresses is an endpoint of its own. */
function identitiesOf({ targetRef, addresses }: DeepReadonly<SliceEndpoint>): [key: string, addresses: string[]][] {
  const canonical = addresses.map(canonicalAddress);
  if (targetRef?.kind === 'Pod') return canonical.length ? [[`pod ${targetRef.name}`, canonical]] : [];
  return canonical.map((address) => [address, [address]]);
}

/**
 * Kubernetes' conditions as Istio reads them: what is ready gets traffic, even if it terminates (`publishNotReadyAddresses` makes it so);
 * else what terminates is not sent at all, and the rest is sent as unhealthy.
 */
function healthOf({ conditions }: DeepReadonly<SliceEndpoint>): EndpointHealth | undefined {
  const { ready = true, terminating = false } = conditions ?? {};
  if (ready) return undefined;
  return terminating ? 'withheld' : 'unready';
}

function better(a: EndpointHealth | undefined, b: EndpointHealth | undefined): EndpointHealth | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a === 'unready' || b === 'unready' ? 'unready' : 'withheld';
}
