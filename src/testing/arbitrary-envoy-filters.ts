import fc from 'fast-check';
import type { KubernetesObject } from '../runtime/object.ts';

/** Matches of proxies: most of them everyone. */
const proxy = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constant({ proxy: { proxyVersion: '^1\\.2[0-9]\\.' } }) },
  { weight: 1, arbitrary: fc.constant({ proxy: { metadata: { TEAM: 'red' } } }) },
);
const context = fc.constantFrom('ANY', 'ANY', 'SIDECAR_OUTBOUND', 'SIDECAR_INBOUND', 'GATEWAY');

const cluster = fc.constantFrom(
  {},
  { cluster: { service: 'a.example.com' } },
  { cluster: { portNumber: 80 } },
  { cluster: { name: 'outbound|443||b.example.com' } },
  { cluster: { name: 'PassthroughCluster' } },
);
const listener = fc.constantFrom(
  {},
  { listener: { portNumber: 80 } },
  { listener: { name: 'virtualInbound' } },
  { listener: { name: 'virtualOutbound' } },
  { listener: { portNumber: 9080, filterChain: { filter: { name: 'envoy.filters.network.tcp_proxy' } } } },
);
const connectionManager = fc.constantFrom(
  { filter: { name: 'envoy.filters.network.http_connection_manager' } },
  { filter: { name: 'envoy.filters.network.http_connection_manager', subFilter: { name: 'envoy.filters.http.router' } } },
);
const httpFilters = fc.record({
  listener: fc.record(
    { filterChain: connectionManager, portNumber: fc.constantFrom(80, 9080) },
    { requiredKeys: ['filterChain'] },
  ),
});
const routes = fc.constantFrom(
  {},
  { routeConfiguration: { name: '80' } },
  { routeConfiguration: { vhost: { name: 'a.example.com:80' } } },
  { routeConfiguration: { portNumber: 9080, vhost: { route: { action: 'ROUTE' } } } },
);

const lua = (code: string) => ({
  '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
  default_source_code: { inline_string: code },
});
const code = fc.constantFrom('-- one', '-- two');
const added = fc.constantFrom('added', 'outbound|80||a.example.com', 'PassthroughCluster');
const seconds = fc.constantFrom('1s', '2s', '3s');

const discovered = {
  config_source: { ads: {}, resource_api_version: 'V3' },
  type_urls: ['type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua'],
};

/** A patch without its match of proxies: of every part of a configuration, on names that a random world has. */
const change = fc.oneof(
  fc.record({
    applyTo: fc.constant('CLUSTER'),
    match: cluster,
    patch: seconds.map((time) => ({ operation: 'MERGE', value: { connect_timeout: time } })),
  }),
  fc.record({ applyTo: fc.constant('CLUSTER'), match: cluster, patch: fc.constant({ operation: 'REMOVE' }) }),
  fc.record({
    applyTo: fc.constant('CLUSTER'),
    match: fc.constant({}),
    patch: fc.record({ name: added, connect_timeout: seconds }).map((value) => ({ operation: 'ADD', value })),
  }),
  fc.record({
    applyTo: fc.constant('LISTENER'),
    match: listener,
    patch: fc.constantFrom(
      { operation: 'MERGE', value: { per_connection_buffer_limit_bytes: 1024 } },
      { operation: 'MERGE', value: { per_connection_buffer_limit_bytes: 2048 } },
      { operation: 'REMOVE' },
    ),
  }),
  fc.record({
    applyTo: fc.constant('LISTENER'),
    match: fc.constant({}),
    patch: fc
      .record({ name: fc.constantFrom('extra', 'virtualOutbound'), port: fc.constantFrom(7001, 7002) })
      .map(({ name, port }) => ({
        operation: 'ADD',
        value: { name, address: { socket_address: { address: '127.0.0.1', port_value: port } } },
      })),
  }),
  fc.record({
    applyTo: fc.constant('LISTENER_FILTER'),
    match: listener,
    patch: fc.constant({
      operation: 'INSERT_FIRST',
      value: {
        name: 'proxy',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol' },
      },
    }),
  }),
  fc.record({
    applyTo: fc.constant('FILTER_CHAIN'),
    match: listener,
    patch: seconds.map((time) => ({ operation: 'MERGE', value: { transport_socket_connect_timeout: time } })),
  }),
  fc.record({
    applyTo: fc.constant('NETWORK_FILTER'),
    match: fc.constant({ listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } } }),
    patch: seconds.map((time) => ({
      operation: 'MERGE',
      value: {
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
          request_timeout: time,
        },
      },
    })),
  }),
  fc.record({
    applyTo: fc.constant('HTTP_FILTER'),
    match: httpFilters,
    patch: fc
      .record({ operation: fc.constantFrom('INSERT_BEFORE', 'INSERT_FIRST', 'ADD'), code })
      .map(({ operation, code: text }) => ({
        operation,
        value: { name: 'lua', typed_config: lua(text) },
      })),
  }),
  fc.record({
    applyTo: fc.constant('HTTP_FILTER'),
    match: httpFilters,
    patch: fc.constant({ operation: 'INSERT_BEFORE', value: { name: 'waf', config_discovery: discovered } }),
  }),
  fc.record({
    applyTo: fc.constant('EXTENSION_CONFIG'),
    match: fc.constant({}),
    patch: code.map((text) => ({ operation: 'ADD', value: { name: 'waf', typed_config: lua(text) } })),
  }),
  fc.record({
    applyTo: fc.constant('ROUTE_CONFIGURATION'),
    match: routes,
    patch: fc.constant({ operation: 'MERGE', value: { response_headers_to_remove: ['server'] } }),
  }),
  fc.record({
    applyTo: fc.constant('VIRTUAL_HOST'),
    match: routes,
    patch: fc.constantFrom({ operation: 'MERGE', value: { include_request_attempt_count: true } }, { operation: 'REMOVE' }),
  }),
  fc.record({
    applyTo: fc.constant('HTTP_ROUTE'),
    match: routes,
    patch: seconds.map((time) => ({ operation: 'MERGE', value: { route: { timeout: time } } })),
  }),
);

const configPatch = fc.record({ change, proxy, context }).map(({ change: { match, ...rest }, proxy: ofProxy, context: of }) => ({
  ...rest,
  match: { ...match, ...ofProxy, context: of },
}));

/** EnvoyFilters of every sort, on names that the other arbitrary objects have. */
export const arbitraryEnvoyFilter: fc.Arbitrary<KubernetesObject> = fc
  .record({
    metadata: fc.record({
      name: fc.constantFrom('f1', 'f2', 'f3'),
      namespace: fc.constantFrom('shop', 'client', 'istio-system'),
      creationTimestamp: fc.constantFrom('2025-01-01T00:00:00Z', '2025-06-01T00:00:00Z'),
      generation: fc.constant(1),
    }),
    labels: fc.option(fc.constantFrom({ app: 'x' }, { app: 'y' }, { app: 'x', tier: 'one' }), { nil: undefined }),
    priority: fc.constantFrom(0, 0, -1, 5),
    configPatches: fc.array(configPatch, { minLength: 1, maxLength: 3 }),
  })
  .map(({ metadata, labels, priority, configPatches }) => ({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata,
    spec: { priority, configPatches, ...(labels ? { workloadSelector: { labels } } : {}) },
  }));
