import { create } from '@bufbuild/protobuf';
import { isHttp2, type Protocol } from '../../api/protocol.ts';
import { type CircuitBreakers, CircuitBreakersSchema } from '../../envoy/gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import type { Cluster } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import { RoutingPriority } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import { HttpProtocolOptionsSchema } from '../../envoy/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { listenerProtocol } from '../../mesh/service.ts';
import { pack } from '../messages.ts';

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

/** The upstream speaks whichever HTTP version the downstream speaks: for what is sniffed or passed through. */
export const likeDownstream: Cluster['typedExtensionProtocolOptions'] = {
  [key]: pack(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions } },
  }),
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
