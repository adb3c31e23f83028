import { fromBinary } from '@bufbuild/protobuf';
import { type Cluster, Cluster_DiscoveryType } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ConfigSource, ExtensionConfigSource } from '../../envoy/gen/envoy/config/core/v3/config_source_pb.js';
import type { Listener } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import {
  HttpConnectionManagerSchema,
  HttpFilterSchema,
  RdsSchema,
} from '../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import { messageName } from './typed-config.ts';
import { readFields } from './wire-fields.ts';

/** What a proxy asks for by name over its ADS stream because it has this listener: routes, and filters' configurations. */
export function listenerReferences(listener: Listener): ResourceReference[] {
  const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
  const filters = chains.flatMap(({ filters }) => filters);
  return distinct([
    ...[...listener.listenerFilters, ...filters].flatMap(discoveredConfig),
    ...filters.flatMap(({ configType }) =>
      configType.case === 'typedConfig' && messageName(configType.value.typeUrl) === HttpConnectionManagerSchema.typeName
        ? managerReferences(configType.value.value)
        : [],
    ),
  ]);
}

/** What a proxy asks for by name over its ADS stream because it has this cluster: endpoints, and filters' configurations. */
export function clusterReferences(cluster: Cluster): ResourceReference[] {
  const { clusterDiscoveryType: discovery, edsClusterConfig: eds } = cluster;
  const usesEds = discovery.case === 'type' && discovery.value === Cluster_DiscoveryType.EDS && isAds(eds?.edsConfig);
  return distinct([
    ...(usesEds ? [{ typeUrl: typeUrls.endpoint, name: eds?.serviceName || cluster.name }] : []),
    ...cluster.filters.flatMap(({ name, configDiscovery }) =>
      isAds(configDiscovery?.configSource) ? [{ typeUrl: typeUrls.extensionConfig, name }] : [],
    ),
  ]);
}

const [rdsField, httpFiltersField] = [3, 5];

/** Reads of a connection manager nothing but what it asks for: a listener may have one for each of many ports. */
function managerReferences(bytes: Uint8Array): ResourceReference[] {
  const references: ResourceReference[] = [];
  for (const { number, content } of readFields(bytes)) {
    if (number === rdsField) {
      const { configSource, routeConfigName } = fromBinary(RdsSchema, content);
      if (isAds(configSource)) references.push({ typeUrl: typeUrls.route, name: routeConfigName });
    } else if (number === httpFiltersField) references.push(...discoveredConfig(fromBinary(HttpFilterSchema, content)));
  }
  return references;
}

function discoveredConfig(filter: {
  readonly name: string;
  readonly configType: { readonly case?: string | undefined; readonly value?: unknown };
}): ResourceReference[] {
  if (filter.configType.case !== 'configDiscovery') return [];
  const { configSource } = filter.configType.value as ExtensionConfigSource;
  return isAds(configSource) ? [{ typeUrl: typeUrls.extensionConfig, name: filter.name }] : [];
}

function isAds(source: ConfigSource | undefined): boolean {
  return source?.configSourceSpecifier.case === 'ads';
}

function distinct(references: readonly ResourceReference[]): ResourceReference[] {
  return [...new Map(references.map((reference) => [`${reference.typeUrl} ${reference.name}`, reference])).values()];
}
