import { isUnixAddress } from '../address.ts';
import type { Place } from '../finding.ts';
import { checkAddress, checkEndpointPorts, checkEndpointProperties } from '../workload-entry/validate.ts';
import type { Resolution, ServiceEntrySpec } from './schema.ts';

/** Envoy refuses a locality whose weights add up to more than a 32-bit number holds. */
const weightSumLimit = 4_294_967_295;

/** Reports endpoints that the entry's resolution cannot use. DYNAMIC_DNS has rules of its own. */
export function checkEndpoints(spec: ServiceEntrySpec, resolution: Resolution, place: Place): void {
  const endpoints = spec.endpoints ?? [];
  if (resolution === 'NONE' && endpoints.length > 0) {
    place.at('endpoints').error('are not allowed while resolution is NONE (the default); set resolution to STATIC or DNS');
  }
  if (resolution === 'STATIC' && endpoints.length === 0 && !spec.workloadSelector) {
    place
      .at('endpoints')
      .warning('are missing, and so is workloadSelector: the service has no endpoint, connections to it will fail');
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    place
      .at('endpoints')
      .error(`has ${endpoints.length} entries; resolution DNS_ROUND_ROBIN takes at most one, DNS takes several`);
  }
  if (resolution === 'STATIC' || resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') {
    checkEach(spec, resolution === 'STATIC' ? 'ip' : 'dns', place);
  }
}

function checkEach(spec: ServiceEntrySpec, forms: 'ip' | 'dns', place: Place): void {
  const servicePorts = new Set(spec.ports?.map((port) => port.name));
  let weightSum = 0;
  for (const [index, endpoint] of (spec.endpoints ?? []).entries()) {
    const at = place.at('endpoints', index);
    checkAddress(endpoint, forms, at);
    checkEndpointPorts(endpoint, servicePorts, at);
    checkEndpointProperties(endpoint, at);
    if (forms === 'ip' && isUnixAddress(endpoint.address ?? '') && servicePorts.size !== 1) {
      at.at('address').error(`a Unix domain socket serves exactly one port, the service has ${servicePorts.size}`);
    }
    weightSum += endpoint.weight || 1;
  }
  if (weightSum > weightSumLimit)
    place.at('endpoints').error(`have weights that add up to ${weightSum}; Envoy allows ${weightSumLimit} at most`);
}
