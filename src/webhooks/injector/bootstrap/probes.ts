import type { InterceptionMode } from '../../../mesh/proxy.ts';
import type { InjectionConfig } from '../config/injection-config.ts';
import type { JsonMap } from '../injection.ts';
import type { ProbeTarget } from '../probes/rewrite-probes.ts';
import { scriptRoute } from './listeners.ts';
import { clusterOf, extension, httpProtocol, seconds } from './messages.ts';
import { variable } from './variables.ts';

/** The way from the sidecar to a port of the application. */
interface AppPort {
  readonly kind: ProbeTarget['kind'];
  readonly port: number;
}

/** How the sidecar reaches the application past its own capture. */
export interface AppAccess {
  readonly mode: InterceptionMode;
  readonly families: InjectionConfig['ipFamilies'];
}

const clusterName = ({ kind, port }: AppPort): string => `app|${kind}|${port}`;

/**
 * The application's port at the pod's first address, where the kubelet would ask. The rules take a connection of the sidecar's to that
 * address for one to the mesh, unless it comes from 127.0.0.6 or ::6.
 */
export function appCluster(app: AppPort, { mode, families }: AppAccess): JsonMap {
  const sources = [...(families === 'ipv6' ? [] : ['127.0.0.6']), ...(families === 'ipv4' ? [] : ['::6'])];
  const [first, ...others] = sources.map((address) => ({ address, port_value: 0 }));
  return clusterOf(clusterName(app), 'STATIC', variable('INSTANCE_IP'), app.port, {
    connect_timeout: '60s',
    ...(mode !== 'NONE' && {
      upstream_bind_config: {
        source_address: first,
        ...(others.length && { extra_source_addresses: others.map((address) => ({ address })) }),
      },
    }),
    ...protocolOf(app.kind),
  });
}

function protocolOf(kind: ProbeTarget['kind']): JsonMap {
  // Each probe on a connection of its own, as the kubelet has it: a kept one may be closed by the application at any moment.
  const once = { common_http_protocol_options: { max_requests_per_connection: 1 } };
  switch (kind) {
    case 'http':
      return httpProtocol('http1', once);
    case 'https':
      // Nothing is verified, as the kubelet verifies nothing.
      return {
        ...httpProtocol('http1', once),
        transport_socket: extension(
          'envoy.transport_sockets.tls',
          'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        ),
      };
    case 'grpc':
      return httpProtocol('http2', once);
    case 'tcp':
      // An HTTP request becomes a TCP connection, and the connection's success a 200.
      return {
        upstream_config: extension(
          'envoy.filters.connection_pools.http.tcp',
          'envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto',
        ),
      };
  }
}

/** The clusters that the routes of some probes lead to, each port and protocol once. */
export function probeClusters(targets: readonly ProbeTarget[], access: AppAccess): JsonMap[] {
  const apps = new Map(targets.map((target) => [clusterName(target), target]));
  return [...apps.values()].map((app) => appCluster(app, access));
}

/** The route that carries out one probe: 200 to 399 if the application is well. */
export function probeRoute(target: ProbeTarget): JsonMap {
  const cluster = clusterName(target);
  const match = { path: target.path };
  const timeout = seconds(target.timeoutSeconds);
  switch (target.kind) {
    case 'http':
    case 'https':
      return {
        match,
        route: { cluster, timeout, prefix_rewrite: target.appPath },
        // A redirect counts as well. Followed, it would come to a path that the sidecar does not have.
        response_headers_to_remove: ['location'],
      };
    case 'tcp':
      return {
        match,
        route: { cluster, timeout },
        // Without a length the answer would end with the connection.
        response_headers_to_add: [
          { header: { key: 'content-length', value: '0' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
          { header: { key: 'connection', value: 'close' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
        ],
      };
    case 'grpc':
      return scriptRoute(match, 'grpc', {
        cluster,
        frame: healthCheckFrame(target.service).toString('hex'),
        timeout_ms: String(Math.round(target.timeoutSeconds * 1000)),
      });
  }
}

/** The route by which metrics are merged: the application's before Envoy's. */
export function mergedMetricsRoute(app: AppPort, path: string, admin: string): JsonMap {
  return scriptRoute({ path: '/stats/prometheus' }, 'metrics', { admin, cluster: clusterName(app), path });
}

/** grpc.health.v1.HealthCheckRequest (`service` = 1), framed as gRPC frames a message. */
function healthCheckFrame(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const length: number[] = [];
  for (let rest = name.length; ; rest >>>= 7) {
    length.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest);
    if (rest < 0x80) break;
  }
  const message = name.length ? Buffer.concat([Buffer.from([0x0a, ...length]), name]) : Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
