import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { isHttp2, type Protocol } from '../../api/protocol.ts';
import { type CircuitBreakers, CircuitBreakersSchema } from '../../envoy/gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import type { Cluster, ClusterSchema } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { RoutingPriority } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { HttpProtocolOptionsSchema } from '../../envoy/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { ConnectionPool } from '../../mesh/connection-pool.ts';
import { listenerProtocol } from '../../mesh/service.ts';
import { duration, pack } from '../messages.ts';

type ClusterInit = Exclude<MessageInitShape<typeof ClusterSchema>, { $typeName: string }>;

/** Envoy's way to 'no limit' for a circuit breaker. */
const unlimited = 4_294_967_295;

/** Istio's default: without it Envoy stops at 1,024 connections and requests. */
export const unlimitedConnections: CircuitBreakers = create(CircuitBreakersSchema, {
  thresholds: [
    {
      priority: RoutingPriority.DEFAULT,
      maxConnections: unlimited,
      maxPendingRequests: unlimited,
      maxRequests: unlimited,
      maxRetries: unlimited,
      trackRemaining: true,
    },
  ],
});

const http2ProtocolOptions = { maxConcurrentStreams: 2_147_483_647 };
const key = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type Options = NonNullable<Exclude<MessageInitShape<typeof HttpProtocolOptionsSchema>, { $typeName: string }>>;
type Versions = NonNullable<Options['upstreamProtocolOptions']>;

const asDownstream: Versions = {
  case: 'useDownstreamProtocolConfig',
  value: { httpProtocolOptions: {}, http2ProtocolOptions },
};

/** The upstream speaks whichever HTTP version the downstream speaks: for what is sniffed or passed through. */
export const likeDownstream: Cluster['typedExtensionProtocolOptions'] = {
  [key]: pack(HttpProtocolOptionsSchema, { upstreamProtocolOptions: asDownstream }),
};

const overHttp2: Cluster['typedExtensionProtocolOptions'] = {
  [key]: pack(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'http2ProtocolOptions', value: http2ProtocolOptions } },
    },
  }),
};

/** Which HTTP version an upstream of a port's protocol is spoken to in; none: HTTP/1.1, or no HTTP at all. */
export function protocolOptions(protocol: Protocol): Cluster['typedExtensionProtocolOptions'] {
  if (isHttp2(protocol)) return overHttp2;
  return listenerProtocol(protocol) === 'auto' ? likeDownstream : {};
}

/** {@link protocolOptions} under a connection pool's settings for HTTP (Istio's `applyConnectionPool`). */
export function pooledProtocolOptions(protocol: Protocol, pool: ConnectionPool): Cluster['typedExtensionProtocolOptions'] {
  const treatment = listenerProtocol(protocol);
  if (treatment !== 'http' && treatment !== 'auto') return {};
  const { maxRequestsPerConnection, maxConnectionDurationMs } = pool;
  const idleTimeoutMs = pool.httpIdleTimeoutMs ?? pool.tcpIdleTimeoutMs;
  const common = {
    ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
    ...(maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection }),
    ...(maxConnectionDurationMs === undefined ? {} : { maxConnectionDuration: duration(maxConnectionDurationMs) }),
  };
  const isPooled = Object.keys(common).length > 0;
  if (!isPooled && !pool.usesClientProtocol && !pool.maxConcurrentStreams && !pool.http2KeepAlive)
    return protocolOptions(protocol);
  return {
    [key]: pack(HttpProtocolOptionsSchema, {
      ...(isPooled ? { commonHttpProtocolOptions: common } : {}),
      upstreamProtocolOptions: pooledVersions(protocol, pool),
    }),
  };
}

/** Envoy requires a version here as soon as there are any options. */
function pooledVersions(protocol: Protocol, pool: ConnectionPool): Versions {
  const { http2KeepAlive } = pool;
  const http2 = {
    maxConcurrentStreams: pool.maxConcurrentStreams ?? http2ProtocolOptions.maxConcurrentStreams,
    ...(http2KeepAlive
      ? {
          connectionKeepalive: {
            interval: duration(http2KeepAlive.intervalMs),
            timeout: duration(http2KeepAlive.timeoutMs),
          },
        }
      : {}),
  };
  if (pool.usesClientProtocol || listenerProtocol(protocol) === 'auto')
    return { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: http2 } };
  return {
    case: 'explicitHttpConfig',
    value: {
      protocolConfig: isHttp2(protocol)
        ? { case: 'http2ProtocolOptions', value: http2 }
        : { case: 'httpProtocolOptions', value: {} },
    },
  };
}

/** The circuit breakers, connect timeout and keep-alive of a cluster under a connection pool. */
export function poolLimits(
  pool: ConnectionPool,
): Pick<ClusterInit, 'circuitBreakers' | 'connectTimeout' | 'upstreamConnectionOptions'> {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries, connectTimeoutMs, tcpKeepalive } = pool;
  const [threshold] = unlimitedConnections.thresholds;
  return {
    circuitBreakers: {
      thresholds: [
        {
          ...threshold!,
          ...(maxConnections === undefined ? {} : { maxConnections }),
          ...(maxPendingRequests === undefined ? {} : { maxPendingRequests }),
          ...(maxRequests === undefined ? {} : { maxRequests }),
          ...(maxRetries === undefined ? {} : { maxRetries }),
        },
      ],
    },
    ...(connectTimeoutMs === undefined ? {} : { connectTimeout: duration(connectTimeoutMs) }),
    ...(tcpKeepalive
      ? {
          upstreamConnectionOptions: {
            tcpKeepalive: {
              ...(tcpKeepalive.probes === undefined ? {} : { keepaliveProbes: tcpKeepalive.probes }),
              ...(tcpKeepalive.timeSeconds === undefined ? {} : { keepaliveTime: tcpKeepalive.timeSeconds }),
              ...(tcpKeepalive.intervalSeconds === undefined ? {} : { keepaliveInterval: tcpKeepalive.intervalSeconds }),
            },
          },
        }
      : {}),
  };
}
