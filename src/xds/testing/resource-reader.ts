import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType, ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TypedExtensionConfigSchema } from '../../envoy/gen/envoy/config/core/v3/extension_pb.js';
import { ClusterLoadAssignmentSchema } from '../../envoy/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../envoy/gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type ResourceReference, typeUrls } from '../../envoy/resource.ts';

/** What a client reads out of a resource. */
export interface ResourceReader {
  /** State of the world does not say a resource's name outside of it. */
  nameOf(typeUrl: string, value: Uint8Array): string;
  /** What a proxy that takes the resource subscribes to. */
  referencesOf(typeUrl: string, value: Uint8Array): readonly ResourceReference[];
}

/** Reads real Envoy messages: a cluster's endpoints, a listener's routes and filters. */
export const envoyReader: ResourceReader = {
  nameOf(typeUrl, value) {
    if (typeUrl === typeUrls.cluster) return fromBinary(ClusterSchema, value).name;
    if (typeUrl === typeUrls.endpoint) return fromBinary(ClusterLoadAssignmentSchema, value).clusterName;
    if (typeUrl === typeUrls.listener) return fromBinary(ListenerSchema, value).name;
    if (typeUrl === typeUrls.extensionConfig) return fromBinary(TypedExtensionConfigSchema, value).name;
    return fromBinary(RouteConfigurationSchema, value).name;
  },
  referencesOf(typeUrl, value) {
    if (typeUrl === typeUrls.cluster) return endpointsOf(value);
    return typeUrl === typeUrls.listener ? routesAndFiltersOf(value) : [];
  },
};

/** As {@link envoyReader}, for many proxies that hold the same: each content is read once. */
export function rememberingReader(): ResourceReader {
  const byBytes = new WeakMap<Uint8Array, readonly ResourceReference[]>();
  const byContent = new Map<string, readonly ResourceReference[]>();
  return {
    nameOf: envoyReader.nameOf,
    referencesOf(typeUrl, value) {
      let references = byBytes.get(value);
      if (references) return references;
      const content = `${typeUrl} ${Buffer.from(value).toString('latin1')}`;
      references = byContent.get(content) ?? envoyReader.referencesOf(typeUrl, value);
      byContent.set(content, references);
      byBytes.set(value, references);
      return references;
    },
  };
}

function endpointsOf(value: Uint8Array): ResourceReference[] {
  const cluster = fromBinary(ClusterSchema, value);
  const { clusterDiscoveryType: discovery, edsClusterConfig } = cluster;
  if (discovery.case !== 'type' || discovery.value !== Cluster_DiscoveryType.EDS) return [];
  return [{ typeUrl: typeUrls.endpoint, name: edsClusterConfig?.serviceName || cluster.name }];
}

function routesAndFiltersOf(value: Uint8Array): ResourceReference[] {
  const { filterChains, defaultFilterChain, listenerFilters } = fromBinary(ListenerSchema, value);
  const chains = defaultFilterChain ? [...filterChains, defaultFilterChain] : filterChains;
  const references = listenerFilters.flatMap(discovered);
  for (const filter of chains.flatMap(({ filters }) => filters)) {
    references.push(...discovered(filter));
    const { configType } = filter;
    const manager = configType.case === 'typedConfig' ? anyUnpack(configType.value, HttpConnectionManagerSchema) : undefined;
    if (!manager) continue;
    references.push(...manager.httpFilters.flatMap(discovered));
    const { routeSpecifier } = manager;
    if (routeSpecifier.case === 'rds') references.push({ typeUrl: typeUrls.route, name: routeSpecifier.value.routeConfigName });
  }
  return references;
}

function discovered({ name, configType }: { name: string; configType: { case: string | undefined } }): ResourceReference[] {
  return configType.case === 'configDiscovery' ? [{ typeUrl: typeUrls.extensionConfig, name }] : [];
}
