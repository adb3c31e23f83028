import { isIP } from 'node:net';
import type { InjectionConfig } from '../config/injection-config.ts';
import { InjectionRefusal, type JsonMap } from '../injection.ts';
import type { MetricsTarget } from '../metrics.ts';
import type { Pod } from '../pod.ts';
import type { ProbeTarget } from '../probes/rewrite-probes.ts';
import type { InjectionSettings } from '../settings.ts';
import type { Workload } from '../workload.ts';
import { controlPlaneFilters, controlPlaneTls, splitAddress } from './credentials.ts';
import { localOnly, ownListener, scriptRoute } from './listeners.ts';
import { clusterOf, extension, httpProtocol, seconds, socketAddress, typed } from './messages.ts';
import { buildNode } from './node.ts';
import { type AppAccess, appCluster, mergedMetricsRoute, probeClusters, probeRoute } from './probes.ts';

/** What a sidecar's bootstrap is made of. */
export interface BootstrapInput {
  /** With the labels that it will have. */
  readonly pod: Pod;
  readonly workload: Workload;
  readonly settings: InjectionSettings;
  readonly config: InjectionConfig;
  readonly probes: readonly ProbeTarget[];
  /** Where the application's own metrics are, if they are merged with Envoy's. */
  readonly metrics?: MetricsTarget;
}

/** Istio's names: bootstraps that people patch name them. */
const controlPlaneCluster = 'xds-grpc';
const adminCluster = 'prometheus_stats';

/**
 * Envoy's bootstrap, in the JSON form of its protobuf: who the proxy is, where its configuration comes from, and the listeners that
 * in Istio an agent serves. Variables stand in it for what is known only when the pod starts.
 */
export function buildBootstrap(input: BootstrapInput): JsonMap {
  const { pod, workload, settings, config } = input;
  const { proxyConfig } = settings;
  return {
    node: buildNode(pod, workload, settings, config),
    admin: { address: socketAddress('127.0.0.1', adminPort(input)) },
    dynamic_resources: dynamicResources(config),
    static_resources: { clusters: clustersOf(input), listeners: listenersOf(input) },
    // A mesh has many clusters that one proxy never uses.
    deferred_stat_options: { enable_deferred_creation_stats: true },
    ...(proxyConfig.statsdUdpAddress !== undefined && { stats_sinks: [statsdSink(proxyConfig.statsdUdpAddress)] }),
    layered_runtime: {
      layers: [
        { name: 'static', static_layer: { 're2.max_program_size.error_level': 32_768, ...proxyConfig.runtimeValues } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    // Without a limit of its own Envoy warns at each start; the kernel's is in force.
    overload_manager: {
      resource_monitors: [
        extension(
          'envoy.resource_monitors.global_downstream_max_connections',
          'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
          { max_active_downstream_connections: '2147483647' },
        ),
      ],
    },
  };
}

function adminPort({ settings, config }: BootstrapInput): number {
  return settings.proxyConfig.proxyAdminPort ?? config.ports.admin;
}

function dynamicResources({ xds }: InjectionConfig): JsonMap {
  // Probes are served without a configuration when it does not come, so that nothing is restarted for want of the control plane.
  const overAds = { ads: {}, initial_fetch_timeout: seconds(xds.initialFetchTimeoutSeconds), resource_api_version: 'V3' };
  return {
    cds_config: overAds,
    lds_config: overAds,
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [
        {
          envoy_grpc: {
            cluster_name: controlPlaneCluster,
            retry_policy: { retry_back_off: { base_interval: '0.5s', max_interval: '10s' } },
          },
        },
      ],
    },
  };
}

function clustersOf(input: BootstrapInput): JsonMap[] {
  const { config, probes, metrics, settings } = input;
  const access: AppAccess = { mode: settings.mode, families: config.ipFamilies };
  const clusters = probeClusters(probes, access);
  if (metrics) {
    const cluster = appCluster(metrics, access);
    if (!clusters.some(({ name }) => name === cluster.name)) clusters.push(cluster);
  }
  return [
    controlPlane(input),
    clusterOf(adminCluster, 'STATIC', '127.0.0.1', adminPort(input), { connect_timeout: '0.25s' }),
    ...clusters,
  ];
}

function controlPlane({ config, settings }: BootstrapInput): JsonMap {
  const { tls } = config.xds;
  const { controlPlaneAddress } = settings;
  const { host, port } = splitAddress(controlPlaneAddress);
  const lookup = { auto: 'ALL', dual: 'ALL', ipv4: 'V4_ONLY', ipv6: 'V6_ONLY' }[config.ipFamilies];
  return clusterOf(controlPlaneCluster, isIP(host) ? 'STATIC' : 'STRICT_DNS', host, port, {
    connect_timeout: '5s',
    ...(!isIP(host) && { dns_lookup_family: lookup, dns_refresh_rate: '30s', respect_dns_ttl: true }),
    ...httpProtocol('http2', tls ? { http_filters: controlPlaneFilters() } : {}, {
      connection_keepalive: { interval: '30s', timeout: '10s' },
    }),
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
    // The stream must not fail for the number of its requests.
    circuit_breakers: { thresholds: [{ max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 }] },
    ...(tls && { transport_socket: controlPlaneTls(config, controlPlaneAddress) }),
  });
}

function listenersOf({ config, settings, probes, metrics }: BootstrapInput): JsonMap[] {
  const { ports, ipFamilies } = config;
  const healthRoute = scriptRoute({ path: '/healthz/ready' }, 'health', { admin: adminCluster });
  const statsRoute = { match: { path: '/stats/prometheus' }, route: { cluster: adminCluster, timeout: '30s' } };
  const hasGrpc = probes.some(({ kind }) => kind === 'grpc');
  return [
    ownListener(
      {
        name: 'weft-status',
        port: settings.statusPort,
        routes: [
          ...probes.map(probeRoute),
          metrics ? mergedMetricsRoute(metrics, metrics.path, adminCluster) : statsRoute,
          healthRoute,
          // How a Job with a classic sidecar ends it when it is done itself.
          scriptRoute(
            { path: '/quitquitquit', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
            'quit',
            { admin: adminCluster },
            localOnly,
          ),
        ],
        scriptNames: ['health', 'quit', ...(hasGrpc ? (['grpc'] as const) : []), ...(metrics ? (['metrics'] as const) : [])],
        hasLocalRoutes: true,
      },
      ipFamilies,
    ),
    ownListener({ name: 'weft-health', port: ports.health, routes: [healthRoute], scriptNames: ['health'] }, ipFamilies),
    ownListener({ name: 'weft-metrics', port: ports.metrics, routes: [statsRoute] }, ipFamilies),
  ];
}

function statsdSink(address: string): JsonMap {
  const { host, port } = splitAddress(address);
  if (!isIP(host)) {
    throw new InjectionRefusal(
      `ProxyConfig statsdUdpAddress: ${JSON.stringify(address)} must name an IP address: Envoy does not resolve the address of a statsd server`,
    );
  }
  return {
    name: 'envoy.stat_sinks.statsd',
    typed_config: typed('envoy.config.metrics.v3.StatsdSink', {
      address: { socket_address: { protocol: 'UDP', address: host, port_value: port } },
    }),
  };
}
