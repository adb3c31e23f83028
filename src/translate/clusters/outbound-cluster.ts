import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_CommonLbConfigSchema,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  Cluster_OriginalDstLbConfigSchema,
  ClusterSchema,
} from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { type Resource, typeUrls } from '../../envoy/resource.ts';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import type { IpFamilies } from '../../mesh/proxy.ts';
import type { ProxyTraits } from '../../mesh/proxy-view.ts';
import type { Service, ServicePort } from '../../mesh/service.ts';
import { buildLoadAssignment, provenanceOf } from '../endpoints.ts';
import { duration, fromAds } from '../messages.ts';
import { outboundClusterName } from '../names.ts';
import { seal } from '../seal.ts';
import { servicesMetadata } from './services-metadata.ts';
import { protocolOptions, unlimitedConnections } from './upstream-options.ts';

/** Whether a service's endpoints come over EDS: the cluster then stands still while they move. */
export function usesEds(service: Service): boolean {
  return service.spec.resolution === 'STATIC';
}

/** The cluster of one port of a service, by its resolution: EDS, STRICT_DNS, LOGICAL_DNS or ORIGINAL_DST. */
export function buildOutboundCluster(service: Service, port: ServicePort, traits: ProxyTraits, config: MeshConfig): Resource {
  const { spec } = service;
  const name = outboundClusterName(spec.hostname, port.number);
  const cluster: Cluster = create(ClusterSchema, {
    name,
    connectTimeout: duration(config.connectTimeoutMs),
    lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
    circuitBreakers: unlimitedConnections,
    metadata: servicesMetadata([spec]),
    typedExtensionProtocolOptions: protocolOptions(port.protocol),
  });
  discover(cluster, service, port, traits, config);
  return seal({
    typeUrl: typeUrls.cluster,
    name,
    schema: ClusterSchema,
    message: cluster,
    provenance: usesEds(service) ? [spec.owner] : provenanceOf(service),
    requires: usesEds(service) ? [{ typeUrl: typeUrls.endpoint, name }] : [],
  });
}

function discover(cluster: Cluster, service: Service, port: ServicePort, traits: ProxyTraits, config: MeshConfig): void {
  switch (service.spec.resolution) {
    case 'STATIC':
      cluster.clusterDiscoveryType = { case: 'type', value: Cluster_DiscoveryType.EDS };
      cluster.edsClusterConfig = {
        $typeName: 'envoy.config.cluster.v3.Cluster.EdsClusterConfig',
        edsConfig: fromAds,
        serviceName: cluster.name,
      };
      // Unready pods are sent as unhealthy: Envoy must not turn to them in panic when they are the majority (Istio's rule).
      if (service.spec.registry === 'Kubernetes') cluster.commonLbConfig = noPanic;
      return;
    case 'NONE':
      cluster.clusterDiscoveryType = { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST };
      cluster.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
      if (port.targetPort !== undefined && port.targetPort !== port.number) {
        const lbConfig = create(Cluster_OriginalDstLbConfigSchema, { upstreamPortOverride: port.targetPort });
        cluster.lbConfig = { case: 'originalDstLbConfig', value: lbConfig };
      }
      return;
    case 'DNS':
    case 'DNS_ROUND_ROBIN': {
      const loadAssignment = buildLoadAssignment(service, port, traits);
      // Envoy refuses LOGICAL_DNS without an endpoint, which a proxy of another address family sees.
      const isLogical = service.spec.resolution === 'DNS_ROUND_ROBIN' && loadAssignment.endpoints.length > 0;
      const value = isLogical ? Cluster_DiscoveryType.LOGICAL_DNS : Cluster_DiscoveryType.STRICT_DNS;
      cluster.clusterDiscoveryType = { case: 'type', value };
      cluster.dnsLookupFamily = lookupFamilies[traits.ipFamilies];
      cluster.respectDnsTtl = true;
      cluster.dnsRefreshRate = duration(config.dnsRefreshRateMs);
      cluster.loadAssignment = loadAssignment;
    }
  }
}

const noPanic = create(Cluster_CommonLbConfigSchema, { healthyPanicThreshold: { value: 0 } });

const lookupFamilies: Record<IpFamilies, Cluster_DnsLookupFamily> = {
  ipv4: Cluster_DnsLookupFamily.V4_ONLY,
  ipv6: Cluster_DnsLookupFamily.V6_ONLY,
  dual: Cluster_DnsLookupFamily.ALL,
};
