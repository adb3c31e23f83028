import { create } from '@bufbuild/protobuf';
import { isIpAddress, isUnixAddress } from '../api/address.ts';
import { HealthStatus } from '../envoy/gen/envoy/config/core/v3/health_check_pb.js';
import type { LocalityLbEndpoints } from '../envoy/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { LocalityLbEndpointsSchema } from '../envoy/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '../envoy/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Resource, typeUrls } from '../envoy/resource.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import type { ProxyTraits } from '../mesh/proxy-view.ts';
import { type Endpoint, endpointAddresses, endpointPort, type Service, type ServicePort } from '../mesh/service.ts';
import { address } from './messages.ts';
import { outboundClusterName, reaches } from './names.ts';
import { seal } from './seal.ts';

/** The objects that a service's endpoints come from, and the service's own. */
export function provenanceOf(service: Service): ObjectKey[] {
  return [service.spec.owner, ...service.endpoints.map((endpoint) => endpoint.owner)];
}

/** The endpoints of one port of a service, as the EDS resource of its cluster. */
export function buildEndpoints(service: Service, port: ServicePort, traits: ProxyTraits): Resource {
  return seal({
    typeUrl: typeUrls.endpoint,
    name: outboundClusterName(service.spec.hostname, port.number),
    schema: ClusterLoadAssignmentSchema,
    message: buildLoadAssignment(service, port, traits),
    provenance: provenanceOf(service),
  });
}

/** No endpoints: for a proxy that asks for those of a cluster that is gone by now. */
export function buildEmptyEndpoints(clusterName: string): Resource {
  const message = create(ClusterLoadAssignmentSchema, { clusterName });
  return seal({ typeUrl: typeUrls.endpoint, name: clusterName, schema: ClusterLoadAssignmentSchema, message, provenance: [] });
}

/**
 * Endpoints grouped by locality; each locality weighs as much as its endpoints together.
 * Endpoints that the proxy's address families do not reach are left out.
 */
export function buildLoadAssignment(service: Service, port: ServicePort, traits: ProxyTraits): ClusterLoadAssignment {
  const byLocality = new Map<string, LocalityLbEndpoints>();
  const endpoints = reachableEndpoints(service, port, traits);
  const share = weightShare(endpoints);
  for (const { endpoint, addresses } of endpoints) {
    const weight = Math.max(1, Math.floor(endpoint.weight * share));
    const [primary, ...additional] = addresses.map((host) => address(host, endpointPort(endpoint, port)));
    const { region = '', zone = '', subZone = '' } = endpoint.locality ?? {};
    const name = `${region}/${zone}/${subZone}`;
    let group = byLocality.get(name);
    if (!group) {
      group = create(LocalityLbEndpointsSchema, { locality: { region, zone, subZone }, loadBalancingWeight: 0 });
      byLocality.set(name, group);
    }
    group.loadBalancingWeight! += weight;
    group.lbEndpoints.push({
      $typeName: 'envoy.config.endpoint.v3.LbEndpoint',
      hostIdentifier: {
        case: 'endpoint',
        value: {
          $typeName: 'envoy.config.endpoint.v3.Endpoint',
          address: primary,
          hostname: '',
          additionalAddresses: additional.map((other) => ({
            $typeName: 'envoy.config.endpoint.v3.Endpoint.AdditionalAddress',
            address: other,
          })),
        },
      },
      healthStatus: endpoint.health === 'unready' ? HealthStatus.UNHEALTHY : HealthStatus.UNKNOWN,
      loadBalancingWeight: weight,
    });
  }
  return create(ClusterLoadAssignmentSchema, {
    clusterName: outboundClusterName(service.spec.hostname, port.number),
    endpoints: [...byLocality.keys()].sort().map((name) => byLocality.get(name)!),
  });
}

/** An endpoint, and those of its addresses that a proxy reaches, at least one. */
interface ReachableEndpoint {
  readonly endpoint: Endpoint;
  readonly addresses: readonly string[];
}

/** By what weights are scaled: Envoy refuses endpoints whose weights add up to more than 32 bits. */
function weightShare(endpoints: readonly ReachableEndpoint[]): number {
  const largestSum = 4_294_967_295 - endpoints.length;
  const sum = endpoints.reduce((total, { endpoint }) => total + endpoint.weight, 0);
  return sum > largestSum ? largestSum / sum : 1;
}

function reachableEndpoints(service: Service, port: ServicePort, traits: ProxyTraits): ReachableEndpoint[] {
  const { spec } = service;
  const isDns = spec.resolution === 'DNS' || spec.resolution === 'DNS_ROUND_ROBIN';
  // Istio: a DNS service that lists no endpoints is resolved by its own host name.
  const endpoints =
    isDns && !service.endpoints.length && !spec.workloadSelector
      ? [{ address: spec.hostname, ports: {}, labels: {}, weight: 1, owner: spec.owner }]
      : service.endpoints;
  const reachable: ReachableEndpoint[] = [];
  for (const endpoint of endpoints) {
    if (endpoint.health === 'withheld' || endpoint.weight <= 0 || endpointPort(endpoint, port) <= 0) continue;
    const addresses = endpointAddresses(endpoint).filter(
      (host) =>
        reaches(traits.ipFamilies, host) &&
        // EDS carries no host names: a WorkloadEntry that is one cannot serve a STATIC service.
        (isDns || isUnixAddress(host) || isIpAddress(host)),
    );
    if (addresses.length) reachable.push({ endpoint, addresses });
  }
  return spec.resolution === 'DNS_ROUND_ROBIN' ? reachable.slice(0, 1) : reachable;
}
