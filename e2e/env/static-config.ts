import type { Address } from './address.ts';
import { envoyAddress, type Json, typeUrl } from './bootstrap.ts';

/** The route table of one listener of `httpListener`: all requests to one cluster. */
const routeAll = (cluster: string): Json => ({
  name: 'all',
  virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
});

/** A static listener that sends every HTTP request to one cluster. Listens on all addresses given, each on its own port. */
export const httpListener = (name: string, addresses: Address[], cluster: string): Json => ({
  ...listenerOn(name, addresses),
  filter_chains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.http_connection_manager',
          typed_config: {
            '@type': typeUrl('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
            stat_prefix: name,
            route_config: routeAll(cluster),
            http_filters: [
              {
                name: 'envoy.filters.http.router',
                typed_config: { '@type': typeUrl('envoy.extensions.filters.http.router.v3.Router') },
              },
            ],
          },
        },
      ],
    },
  ],
});

/** A static listener that sends every TCP connection to one cluster; `originalDst` reads where a redirected one was bound for. */
export const tcpListener = (name: string, addresses: Address[], cluster: string, { originalDst = false } = {}): Json => ({
  ...listenerOn(name, addresses),
  ...(originalDst && {
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: { '@type': typeUrl('envoy.extensions.filters.listener.original_dst.v3.OriginalDst') },
      },
    ],
  }),
  filter_chains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.tcp_proxy',
          typed_config: {
            '@type': typeUrl('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
            stat_prefix: name,
            cluster,
          },
        },
      ],
    },
  ],
});

const listenerOn = (name: string, [first, ...rest]: Address[]): Json => {
  if (first === undefined) throw new Error(`listener ${name} needs an address`);
  return {
    name,
    address: envoyAddress(first),
    additional_addresses: rest.map((address) => ({ address: envoyAddress(address) })),
  };
};

/** A static cluster: fixed addresses, or with `dns` the names of hosts, asked for anew each `refreshMs`. */
export const endpointCluster = (name: string, endpoints: Address[], dns?: { refreshMs: number }): Json => ({
  name,
  type: dns ? 'STRICT_DNS' : 'STATIC',
  connect_timeout: '1s',
  ...(dns && {
    dns_refresh_rate: `${dns.refreshMs / 1_000}s`,
    dns_lookup_family: 'ALL',
  }),
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: endpoints.map((endpoint) => ({ endpoint: { address: envoyAddress(endpoint) } })) }],
  },
});

/** A cluster that goes where the redirected connection was bound for. */
export const originalDstCluster = (name: string): Json => ({
  name,
  type: 'ORIGINAL_DST',
  connect_timeout: '1s',
  lb_policy: 'CLUSTER_PROVIDED',
});
