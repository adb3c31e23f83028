import { isIpAddress, isUnixAddress, unixAddressProblem } from '../address.ts';
import type { Place } from '../finding.ts';
import { domainProblem, isDnsLabel } from '../hostname.ts';
import { checkLabels } from '../label.ts';
import { shown } from '../structure.ts';
import type { WorkloadEntry, WorkloadEntrySpec } from './schema.ts';

/** Istio's `ValidateWorkloadEntry`: on its own, a WorkloadEntry may serve any ServiceEntry, so every form of address is allowed. */
export function checkWorkloadEntry(object: WorkloadEntry, spec: Place): void {
  checkAddress(object.spec, 'any', spec);
  checkEndpointPorts(object.spec, undefined, spec);
  checkEndpointProperties(object.spec, spec);
}

/** Which forms of address the use of an endpoint allows: `ip` is STATIC, `dns` is DNS and DNS_ROUND_ROBIN. */
export type AddressForms = 'any' | 'ip' | 'dns';

/** Reports an address that is missing or not of an allowed form. */
export function checkAddress(endpoint: WorkloadEntrySpec, forms: AddressForms, place: Place): void {
  const { address = '', network = '' } = endpoint;
  const at = place.at('address');
  if (address === '') {
    if (forms === 'dns') at.error('is required: resolution by DNS needs a host name or an IP address for each endpoint');
    else if (network === '') at.error('is required, unless network is set');
    else at.warning(`is not set, so the endpoint is only reachable through a gateway of network ${shown(network)}`);
  } else if (isUnixAddress(address)) {
    if (forms === 'dns') at.error('a Unix domain socket cannot be resolved by DNS; use resolution STATIC');
    else at.error(unixAddressProblem(address));
    if (Object.keys(endpoint.ports ?? {}).length > 0) place.at('ports').error('a Unix domain socket has no ports');
  } else if (!isIpAddress(address)) {
    if (domainProblem(address)) at.error(`${shown(address)} is neither an IP address nor a fully qualified host name`);
    else if (forms === 'ip')
      at.error(`${shown(address)} is a host name; resolution STATIC takes IP addresses, resolution DNS takes names`);
  }
}

/** Reports ports that no service port stands behind (where the service's ports are known) or whose name is none. */
export function checkEndpointPorts(
  endpoint: WorkloadEntrySpec,
  servicePorts: ReadonlySet<string> | undefined,
  place: Place,
): void {
  for (const name of Object.keys(endpoint.ports ?? {})) {
    const at = place.at('ports', name);
    if (!isDnsLabel(name)) at.error(`${shown(name)} is not a port name: it takes letters, digits and inner dashes, at most 63`);
    else if (servicePorts && !servicePorts.has(name)) at.error(unknownPort(name, servicePorts));
  }
}

function unknownPort(name: string, servicePorts: ReadonlySet<string>): string {
  const known = [...servicePorts].slice(0, 10).join(', ');
  return `the service has no port named ${shown(name)}${known ? `; it has ${known}` : ''}`;
}

/** Reports labels that are not label syntax and a locality that will not be understood. */
export function checkEndpointProperties(endpoint: WorkloadEntrySpec, place: Place): void {
  checkLabels(endpoint.labels, place.at('labels'));
  if (endpoint.locality?.split('/').includes('')) {
    if (endpoint.locality !== '')
      place.at('locality').warning(`${shown(endpoint.locality)} has an empty part; the form is region/zone/subzone`);
  }
}
