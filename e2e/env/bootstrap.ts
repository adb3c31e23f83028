import { type Address, isPath } from './address.ts';

/** A JSON object as Envoy reads it (proto3 JSON, snake_case names). */
export type Json = Record<string, unknown>;

/** Who the proxy is: what Istio's bootstrap puts into the node of every request. */
export interface ProxyIdentity {
  /** Pod name. Default `client-1`. */
  pod?: string;
  /** Default `default`. */
  namespace?: string;
  /** The pod's addresses, the first is the one in the node id. Default 127.0.0.1. */
  ips?: string[];
  /** The pod's labels. Default `{ app: <workload> }`. */
  labels?: Record<string, string>;
  /** Default: the pod's name without its last `-…` part. */
  workload?: string;
  /** Default `default`. */
  serviceAccount?: string;
  /** Default `Kubernetes`. */
  clusterId?: string;
  /** `router` is a gateway. Default `sidecar`. */
  type?: 'sidecar' | 'router';
  /** How traffic gets to the proxy. Default `REDIRECT`. */
  interceptionMode?: 'REDIRECT' | 'TPROXY' | 'NONE';
  /** Domain of the cluster. Default `cluster.local`. */
  domain?: string;
  /** Where the proxy runs. Default: unknown. */
  locality?: { region?: string; zone?: string; subzone?: string };
  /** More metadata, or other values for the above. */
  metadata?: Json;
}

/** Where the configuration comes from. */
export interface XdsOptions {
  /** The control plane: plaintext gRPC, or a unix socket (`startRelay` makes one for a network namespace). */
  address: Address;
  /** Variant of the protocol. Default `delta`. */
  mode?: 'delta' | 'sotw';
  /** Longest pause before a lost stream is opened again. Default 1,000; Envoy's own default is 30,000. */
  reconnectMaxMs?: number;
}

/** Options of `buildBootstrap`. */
export interface BootstrapOptions {
  identity?: ProxyIdentity;
  /** Default: no control plane, only what is static. */
  xds?: XdsOptions;
  /**
   * Who resolves host names: a DNS server, or `system` for what resolv.conf says.
   * Default: a closed port of loopback, so that no test can ask about a real host by mistake.
   */
  dns?: { host: string; port: number } | 'system';
  /** Port of the admin page on 127.0.0.1. Default 0: any free one. */
  adminPort?: number;
  listeners?: Json[];
  clusters?: Json[];
}

/** The `@type` of a message: `type.googleapis.com/` and its name. */
export const typeUrl = (message: string): string => `type.googleapis.com/${message}`;

/** An address as Envoy writes it. */
export const envoyAddress = (address: Address): Json =>
  isPath(address) ? { pipe: { path: address.path } } : { socket_address: { address: address.host, port_value: address.port } };

/** The node id in Istio's form: `sidecar~10.0.0.1~client-1.shop~shop.svc.cluster.local`. */
export const nodeId = ({
  type = 'sidecar',
  ips,
  pod = 'client-1',
  namespace = 'default',
  domain = 'cluster.local',
}: ProxyIdentity): string => `${type}~${ips?.[0] ?? '127.0.0.1'}~${pod}.${namespace}~${namespace}.svc.${domain}`;

const buildNode = (identity: ProxyIdentity): Json => {
  const { pod = 'client-1', namespace = 'default', ips = ['127.0.0.1'], serviceAccount = 'default' } = identity;
  const workload = identity.workload ?? pod.replace(/-[^-]*$/, '');
  return {
    id: nodeId(identity),
    cluster: `${workload}.${namespace}`,
    locality: identity.locality && {
      region: identity.locality.region,
      zone: identity.locality.zone,
      sub_zone: identity.locality.subzone,
    },
    metadata: {
      NAME: pod,
      NAMESPACE: namespace,
      LABELS: identity.labels ?? { app: workload },
      INSTANCE_IPS: ips.join(','),
      CLUSTER_ID: identity.clusterId ?? 'Kubernetes',
      SERVICE_ACCOUNT: serviceAccount,
      WORKLOAD_NAME: workload,
      INTERCEPTION_MODE: identity.interceptionMode ?? 'REDIRECT',
      MESH_ID: identity.domain ?? 'cluster.local',
      ...identity.metadata,
    },
  };
};

/** The cluster of the control plane, under the name that Istio's bootstrap gives it. */
const xdsCluster = (address: Address): Json => ({
  name: 'xds-grpc',
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: 'xds-grpc',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: envoyAddress(address) } }] }],
  },
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': typeUrl('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } } },
    },
  },
  ...(isPath(address) ? {} : { upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } } }),
});

const dynamicResources = ({ mode = 'delta', reconnectMaxMs = 1_000 }: XdsOptions): Json => {
  const overAds = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  const maxSeconds = reconnectMaxMs / 1_000;
  const backOff = { base_interval: `${Math.min(0.1, maxSeconds)}s`, max_interval: `${maxSeconds}s` };
  return {
    ads_config: {
      api_type: mode === 'delta' ? 'DELTA_GRPC' : 'GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc', retry_policy: { retry_back_off: backOff } } }],
    },
    cds_config: overAds,
    lds_config: overAds,
  };
};

const dnsResolver = (dns: { host: string; port: number }): Json => ({
  name: 'envoy.network.dns_resolver.cares',
  typed_config: {
    '@type': typeUrl('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig'),
    resolvers: [envoyAddress(dns)],
    dns_resolver_options: { no_default_search_domain: true },
  },
});

/** A port that nothing listens on: queries fail at once. */
const nobody = { host: '127.0.0.1', port: 1 };

/** Envoy's bootstrap, as an object to write as JSON: the shape of Istio's, with nothing secret and no agent. */
export const buildBootstrap = (options: BootstrapOptions = {}): Json => {
  const { identity = {}, xds, dns = nobody, adminPort = 0, listeners = [], clusters = [] } = options;
  return {
    node: buildNode(identity),
    admin: { address: envoyAddress({ host: '127.0.0.1', port: adminPort }) },
    static_resources: { listeners, clusters: xds ? [xdsCluster(xds.address), ...clusters] : clusters },
    ...(xds && { dynamic_resources: dynamicResources(xds) }),
    ...(dns !== 'system' && { typed_dns_resolver_config: dnsResolver(dns) }),
    // What no test reads would otherwise be most of /stats.
    stats_config: {
      stats_matcher: {
        exclusion_list: {
          patterns: [
            { prefix: 'runtime.' },
            { prefix: 'filesystem.' },
            { prefix: 'workers.' },
            { contains: '.circuit_breakers.' },
          ],
        },
      },
    },
    // Without a limit Envoy warns at each start.
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            '@type': typeUrl('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig'),
            max_active_downstream_connections: 50_000,
          },
        },
      ],
    },
  };
};
