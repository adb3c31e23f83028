import { create, toBinary } from '@bufbuild/protobuf';
import { type VirtualHost, VirtualHostSchema } from '../../envoy/gen/envoy/config/route/v3/route_components_pb.js';
import type { ServicePort } from '../../mesh/service.ts';
import { duration } from '../messages.ts';
import { blackHoleCluster, hostAndPort, outboundClusterName } from '../names.ts';

/** Istio's default retries: only what certainly did no work upstream, and never on the same host first. */
const retryPolicy = {
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
  numRetries: 2,
  retriableStatusCodes: [503],
  hostSelectionRetryMaxAttempts: 5n,
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      configType: {
        case: 'typedConfig' as const,
        value: {
          typeUrl: 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
          value: new Uint8Array(),
        },
      },
    },
  ],
};

/** The virtual host of one service port: everything under `/` goes to its cluster. */
export function buildVirtualHost(hostname: string, port: ServicePort, domains: readonly string[]): VirtualHost {
  return create(VirtualHostSchema, {
    name: hostAndPort(hostname, port.number),
    domains: [...domains],
    includeRequestAttemptCount: true,
    routes: [
      {
        name: 'default',
        match: { pathSpecifier: { case: 'prefix', value: '/' } },
        decorator: { operation: `${hostname}:${port.number}/*` },
        action: {
          case: 'route',
          value: {
            clusterSpecifier: { case: 'cluster', value: outboundClusterName(hostname, port.number) },
            // Alone: beside maxStreamDuration, Envoy reads no timeout that an EnvoyFilter merges in, and Istio's maxGrpcTimeout is deprecated.
            timeout: duration(0),
            retryPolicy,
          },
        },
      },
    ],
  });
}

/**
 * What happens to hosts that no service claims: passed on to a cluster, or answered with 502.
 * @param cluster see `strangersCluster`
 */
export function buildCatchAll(cluster: string): VirtualHost {
  const match = { pathSpecifier: { case: 'prefix' as const, value: '/' } };
  if (cluster !== blackHoleCluster) {
    return create(VirtualHostSchema, {
      name: 'allow_any',
      domains: ['*'],
      includeRequestAttemptCount: true,
      routes: [
        {
          name: 'allow_any',
          match,
          action: {
            case: 'route',
            value: { clusterSpecifier: { case: 'cluster', value: cluster }, timeout: duration(0) },
          },
        },
      ],
    });
  }
  return create(VirtualHostSchema, {
    name: 'block_all',
    domains: ['*'],
    includeRequestAttemptCount: true,
    routes: [{ name: 'block_all', match, action: { case: 'directResponse', value: { status: 502 } } }],
  });
}

/** A virtual host in the bytes that RouteConfiguration carries it in. */
export function encodeVirtualHost(virtualHost: VirtualHost): Uint8Array {
  return toBinary(VirtualHostSchema, virtualHost);
}
