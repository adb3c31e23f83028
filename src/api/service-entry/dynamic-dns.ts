import type { Place } from '../finding.ts';
import { isWildcardHost } from '../hostname.ts';
import type { Labels } from '../label.ts';
import { parseProtocol } from '../protocol.ts';
import { shown } from '../structure.ts';
import type { ServiceEntrySpec } from './schema.ts';

const waypointLabel = 'istio.io/use-waypoint';
const supported = ['HTTP', 'HTTP2', 'GRPC', 'TLS'];

/** Istio's rules for DYNAMIC_DNS: the name to resolve comes from each request, so hosts are wildcards and nothing else is given. */
export function checkDynamicDns(spec: ServiceEntrySpec, labels: Labels, place: Place): void {
  for (const [index, host] of spec.hosts.entries()) {
    if (!isWildcardHost(host))
      place.at('hosts', index).error(`${shown(host)} must be a wildcard while resolution is DYNAMIC_DNS; use DNS for one name`);
  }
  if (spec.addresses?.length)
    place.at('addresses').error('are not allowed while resolution is DYNAMIC_DNS: traffic is matched by host alone');
  if (spec.endpoints?.length)
    place.at('endpoints').error('are not allowed while resolution is DYNAMIC_DNS: the destination is the host of each request');
  for (const [index, port] of (spec.ports ?? []).entries()) {
    if (supported.includes(parseProtocol(port.protocol))) continue;
    place.at('ports', index, 'protocol').error(`must be one of ${supported.join(', ')} while resolution is DYNAMIC_DNS`);
  }
  const waypoint = labels[waypointLabel] ?? '';
  if (spec.location === 'MESH_INTERNAL' && waypoint !== '' && waypoint.toLowerCase() !== 'none') {
    place
      .at('location')
      .error(`MESH_INTERNAL with resolution DYNAMIC_DNS does not work with a waypoint (label ${waypointLabel})`);
  }
}
