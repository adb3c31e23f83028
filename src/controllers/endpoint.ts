import ipaddr from 'ipaddr.js';
import { isIpAddress } from '../api/address.ts';
import type { WorkloadEntrySpec } from '../api/workload-entry/schema.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import type { Endpoint, Locality } from '../mesh/service.ts';
import type { DeepReadonly } from '../runtime/object.ts';

/** An endpoint as ServiceEntry and WorkloadEntry both write it; undefined where it has no address of its own. */
export function compileEndpoint(spec: DeepReadonly<WorkloadEntrySpec>, owner: ObjectKey): Endpoint | undefined {
  if (!spec.address) return undefined;
  const locality = parseLocality(spec.locality);
  return {
    address: canonicalAddress(spec.address),
    ports: spec.ports ?? none,
    labels: spec.labels ?? none,
    ...(locality ? { locality } : {}),
    // Istio: a weight of 0 is one that was not given.
    weight: spec.weight || 1,
    owner,
  };
}

/** Shared by the many endpoints without labels or ports of their own. */
const none: Readonly<Record<string, never>> = {};

/** `region/zone/subzone`, later parts optional. */
export function parseLocality(text: string | undefined): Locality | undefined {
  if (!text) return undefined;
  const [region = '', zone = '', subZone = ''] = text.split('/');
  return { region, zone, subZone };
}

/** One spelling for each IP address or CIDR, so that the same address written twice is seen as the same; the rest unchanged. */
export function canonicalAddress(text: string): string {
  if (text.includes('/') && !text.startsWith('unix:')) {
    const [address, length] = ipaddr.parseCIDR(text);
    const network =
      address.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(text) : ipaddr.IPv6.networkAddressFromCIDR(text);
    // A range of one address is that address (Istio makes the same short cut).
    return length === address.toByteArray().length * 8 ? address.toString() : `${network}/${length}`;
  }
  return isIpAddress(text) ? ipaddr.parse(text).toString() : text;
}
