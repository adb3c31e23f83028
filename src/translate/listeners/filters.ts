import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Filter,
  FilterSchema,
  type ListenerFilter,
  ListenerFilterChainMatchPredicateSchema,
  ListenerFilterSchema,
} from '../../envoy/gen/envoy/config/listener/v3/listener_components_pb.js';
import { CorsSchema } from '../../envoy/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '../../envoy/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { FilterConfigSchema as GrpcStatsSchema } from '../../envoy/gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.js';
import { RouterSchema } from '../../envoy/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpInspectorSchema } from '../../envoy/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { OriginalDstSchema } from '../../envoy/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { OriginalSrcSchema } from '../../envoy/gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { TlsInspectorSchema } from '../../envoy/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import {
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
  HttpFilterSchema,
} from '../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '../../envoy/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import { duration, fromAds, pack } from '../messages.ts';
import { buildAccessLog } from './access-log.ts';

type HttpDetails = Exclude<MessageInitShape<typeof HttpConnectionManagerSchema>, { $typeName: string }>;
type RouteSpecifier = NonNullable<HttpDetails['routeSpecifier']>;

/** The HTTP connection manager of outbound traffic: routes come over RDS by name. */
export function buildOutboundHttp(statPrefix: string, routeName: string, config: MeshConfig): Filter {
  return httpConnectionManager(statPrefix, config, {
    case: 'rds',
    value: { configSource: fromAds, routeConfigName: routeName },
  });
}

/**
 * The HTTP connection manager of one inbound port: everything goes to the workload's cluster.
 * @param seesCertificates clients show certificates: the workload is told whose, in `x-forwarded-client-cert`, and by nobody else
 */
export function buildInboundHttp(
  statPrefix: string,
  port: number,
  cluster: string,
  config: MeshConfig,
  seesCertificates: boolean,
): Filter {
  const routeSpecifier: RouteSpecifier = {
    case: 'routeConfig',
    value: {
      name: cluster,
      validateClusters: false,
      virtualHosts: [
        {
          name: `inbound|http|${port}`,
          domains: ['*'],
          routes: [
            {
              name: 'default',
              match: { pathSpecifier: { case: 'prefix', value: '/' } },
              action: {
                case: 'route',
                value: {
                  clusterSpecifier: { case: 'cluster', value: cluster },
                  timeout: duration(0),
                  maxStreamDuration: { maxStreamDuration: duration(0), grpcTimeoutHeaderMax: duration(0) },
                },
              },
            },
          ],
        },
      ],
    },
  };
  const details: HttpDetails = seesCertificates
    ? {
        forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
        setCurrentClientCertDetails: { subject: true, uri: true, dns: true },
      }
    : {};
  return httpConnectionManager(statPrefix, config, routeSpecifier, details);
}

/** How long connections through a TCP proxy may last, in milliseconds; absent: Envoy's defaults. */
export interface TcpLimits {
  /** Without a byte in either direction; 0: without end. */
  readonly idleTimeoutMs?: number | undefined;
  readonly maxDurationMs?: number | undefined;
}

/** A TCP proxy to one cluster. */
export function buildTcpProxy(cluster: string, config: MeshConfig, { idleTimeoutMs, maxDurationMs }: TcpLimits = {}): Filter {
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: pack(TcpProxySchema, {
        statPrefix: cluster,
        clusterSpecifier: { case: 'cluster', value: cluster },
        accessLog: buildAccessLog(config),
        ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
        ...(maxDurationMs === undefined ? {} : { maxDownstreamConnectionDuration: duration(maxDurationMs) }),
      }),
    },
  });
}

/** Reads the server name of a TLS ClientHello. */
export const tlsInspector: ListenerFilter = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { case: 'typedConfig', value: pack(TlsInspectorSchema, {}) },
});

/** Tells HTTP from everything else by the first bytes. */
export const httpInspector: ListenerFilter = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.http_inspector',
  configType: { case: 'typedConfig', value: pack(HttpInspectorSchema, {}) },
});

/** A listener filter, but for connections to these ports. */
export function exceptOnPorts(filter: ListenerFilter, ports: readonly number[]): ListenerFilter {
  if (!ports.length) return filter;
  const rules = ports.map((start) =>
    create(ListenerFilterChainMatchPredicateSchema, { rule: { case: 'destinationPortRange', value: { start, end: start + 1 } } }),
  );
  const filterDisabled =
    rules.length === 1
      ? rules[0]!
      : create(ListenerFilterChainMatchPredicateSchema, { rule: { case: 'orMatch', value: { rules } } });
  return create(ListenerFilterSchema, { ...filter, filterDisabled });
}

/** Restores the destination that a connection had before it was redirected. */
export const originalDestination: ListenerFilter = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.original_dst',
  configType: { case: 'typedConfig', value: pack(OriginalDstSchema, {}) },
});

/** The mark by which the rules of TPROXY know the sidecar's connections to its workload (src/webhooks/iptables/capture-options.ts). */
const transparentMark = 1337;

/** Lets the sidecar reach its workload from the client's own address. Only where connections come by TPROXY, which leads the answers back. */
export const originalSource: ListenerFilter = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.original_src',
  configType: { case: 'typedConfig', value: pack(OriginalSrcSchema, { mark: transparentMark }) },
});

const httpFilters = [
  {
    name: 'envoy.filters.http.grpc_stats',
    config: pack(GrpcStatsSchema, {
      emitFilterState: true,
      perMethodStatSpecifier: { case: 'statsForAllMethods', value: { value: false } },
    }),
  },
  { name: 'envoy.filters.http.fault', config: pack(HTTPFaultSchema, {}) },
  { name: 'envoy.filters.http.cors', config: pack(CorsSchema, {}) },
  { name: 'envoy.filters.http.router', config: pack(RouterSchema, {}) },
].map(({ name, config }) => create(HttpFilterSchema, { name, configType: { case: 'typedConfig', value: config } }));

function httpConnectionManager(
  statPrefix: string,
  config: MeshConfig,
  routeSpecifier: RouteSpecifier,
  details: HttpDetails = {},
): Filter {
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: pack(HttpConnectionManagerSchema, {
        codecType: HttpConnectionManager_CodecType.AUTO,
        statPrefix,
        routeSpecifier,
        httpFilters,
        accessLog: buildAccessLog(config),
        useRemoteAddress: false,
        streamIdleTimeout: duration(0),
        normalizePath: true,
        pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.KEEP_UNCHANGED,
        upgradeConfigs: [{ upgradeType: 'websocket' }],
        ...details,
      }),
    },
  });
}
