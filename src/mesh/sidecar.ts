import type { Protocol } from '../api/protocol.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { ObjectKey } from './object-key.ts';
import type { ServerTls } from './server-tls.ts';

/** One `namespace/host` of a Sidecar's egress listener. */
export interface HostPattern {
  /** A namespace, `*` for any, `.` for that of the proxy: the root namespace's default holds for proxies of other namespaces. */
  readonly namespace: string;
  /** A host, `*`, or `*.suffix`; lower case. */
  readonly host: string;
  /** Takes hosts away instead of adding them (`~namespace/host`). */
  readonly isExcluded?: boolean;
}

export interface ListenerPort {
  readonly number: number;
  readonly name: string;
  readonly protocol: Protocol;
}

/** Istio's `captureMode`: DEFAULT follows the proxy's interception mode. */
export type CaptureMode = 'DEFAULT' | 'IPTABLES' | 'NONE';

export interface EgressSpec {
  /** Absent: the catch-all listener, one listener for each service port. */
  readonly port?: ListenerPort;
  /** IPv4, IPv6 or `unix:///path`; absent: chosen by capture mode and address families. */
  readonly bind?: string;
  readonly captureMode: CaptureMode;
  readonly hosts: readonly HostPattern[];
}

export interface IngressSpec {
  readonly port: ListenerPort;
  readonly bind?: string;
  readonly captureMode: CaptureMode;
  /** Absent: TLS is not ended here. */
  readonly tls?: ServerTls;
  /** Goes before the Sidecar's own as a whole, nothing of that is merged in (Istio's rule). */
  readonly connectionPool?: ConnectionPool;
  /** `127.0.0.1:port`, `[::1]:port`, `0.0.0.0:port`, `[::]:port` or `unix:///path`; absent: the address the connection came for. */
  readonly defaultEndpoint?: string;
}

/** Istio's outbound traffic policy: what happens to traffic for hosts that the scope does not know. */
export type OutboundTrafficMode = 'ALLOW_ANY' | 'REGISTRY_ONLY';

/** Where unknown outbound traffic is sent instead of passing through. */
export interface EgressProxy {
  /** Lower case. */
  readonly host: string;
  readonly port: number;
  /** Subset, as a DestinationRule names it; absent: the service as a whole. */
  readonly subset?: string;
}

/** A Sidecar's `outboundTrafficPolicy`. */
export interface OutboundTrafficPolicy {
  readonly mode: OutboundTrafficMode;
  /** Only with ALLOW_ANY. */
  readonly egressProxy?: EgressProxy;
}

/** A Sidecar object, compiled. Immutable. */
export interface Sidecar {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Absent: the namespace's default (in the root namespace: the mesh's default). Empty: every workload of the namespace. */
  readonly workloadSelector?: Readonly<Record<string, string>>;
  /** Empty: everything visible, as Istio's default scope. */
  readonly egress: readonly EgressSpec[];
  readonly ingress: readonly IngressSpec[];
  /** For every inbound port; absent: no limits. */
  readonly inboundConnectionPool?: ConnectionPool;
  /** Absent: the mesh's. */
  readonly outboundTrafficPolicy?: OutboundTrafficPolicy;
}

/** Istio's default scope: every visible host, on every port. */
export const defaultEgress: readonly EgressSpec[] = [{ captureMode: 'DEFAULT', hosts: [{ namespace: '*', host: '*' }] }];

/** Whether a host pattern covers a host; `*.example.com` covers `*.example.com` itself and every name below `example.com`. */
export function matchesHost(pattern: string, hostname: string): boolean {
  if (pattern === '*' || pattern === hostname) return true;
  return pattern.startsWith('*') && hostname.endsWith(pattern.slice(1));
}

/** Whether the hosts of an egress listener import a service of a namespace; `.` must have been resolved before. */
export function importsHost(hosts: readonly HostPattern[], ofNamespace: string, hostname: string): boolean {
  let isImported = false;
  for (const { namespace, host, isExcluded } of hosts) {
    if ((namespace !== '*' && namespace !== ofNamespace) || !matchesHost(host, hostname)) continue;
    if (isExcluded) return false;
    isImported = true;
  }
  return isImported;
}

/** An egress listener's hosts with `.` resolved to a namespace. */
export function atHome(hosts: readonly HostPattern[], own: string): readonly HostPattern[] {
  return hosts.map((pattern) => (pattern.namespace === '.' ? { ...pattern, namespace: own } : pattern));
}

/** Whether an egress listener passes on a port: one with a port of its own only that, but an HTTP proxy or a socket every one. */
export function importsPort({ port }: EgressSpec, number: number): boolean {
  return !port || port.number === 0 || port.protocol === 'HTTP_PROXY' || port.number === number;
}
