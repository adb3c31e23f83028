import type { ApplyTo, PatchOperation } from './schema.ts';

const merges = ['MERGE', 'MERGE_AND_REPLACE_LIST'] as const;
const inserts = ['ADD', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST'] as const;

/**
 * The operations that have an effect on each part of the configuration (istio/istio pilot/pkg/networking/core/envoyfilter).
 * INSERT_* where order does not matter is taken as ADD.
 */
export const effectiveOperations: Readonly<Record<ApplyTo, readonly PatchOperation[]>> = {
  LISTENER: [...merges, ...inserts, 'REMOVE'],
  FILTER_CHAIN: [...merges, ...inserts, 'REMOVE'],
  NETWORK_FILTER: ['MERGE', ...inserts, 'REPLACE', 'REMOVE'],
  HTTP_FILTER: ['MERGE', ...inserts, 'REPLACE', 'REMOVE'],
  LISTENER_FILTER: ['MERGE', ...inserts, 'REPLACE', 'REMOVE'],
  ROUTE_CONFIGURATION: merges,
  VIRTUAL_HOST: [...merges, ...inserts, 'REPLACE', 'REMOVE'],
  HTTP_ROUTE: [...merges, ...inserts, 'REMOVE'],
  CLUSTER: [...merges, ...inserts, 'REMOVE'],
  EXTENSION_CONFIG: inserts,
  BOOTSTRAP: merges,
};

/** Envoy's message for each part of the configuration: what a patch's value is read as. */
export const patchedMessages: Readonly<Record<ApplyTo, string>> = {
  LISTENER: 'envoy.config.listener.v3.Listener',
  FILTER_CHAIN: 'envoy.config.listener.v3.FilterChain',
  NETWORK_FILTER: 'envoy.config.listener.v3.Filter',
  HTTP_FILTER: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter',
  LISTENER_FILTER: 'envoy.config.listener.v3.ListenerFilter',
  ROUTE_CONFIGURATION: 'envoy.config.route.v3.RouteConfiguration',
  VIRTUAL_HOST: 'envoy.config.route.v3.VirtualHost',
  HTTP_ROUTE: 'envoy.config.route.v3.Route',
  CLUSTER: 'envoy.config.cluster.v3.Cluster',
  EXTENSION_CONFIG: 'envoy.config.core.v3.TypedExtensionConfig',
  BOOTSTRAP: 'envoy.config.bootstrap.v3.Bootstrap',
};
