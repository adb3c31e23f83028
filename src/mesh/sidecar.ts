import type { Protocol } from '../api/protocol.ts';
import type { ObjectKey } from './object-key.ts';

/** One `namespace/host` of a Sidecar's egress listener. */
export interface HostPattern {
  /** A namespace, `*` for any; `.` was resolved to the Sidecar's own when it was compiled. */
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
  /** `127.0.0.1:port`, `[::1]:port`, `0.0.0.0:port`, `[::]:port` or `unix:///path`; absent: the address the connection came for. */
  readonly defaultEndpoint?: string;
}

/** Istio's outbound traffic policy: what happens to traffic for hosts that the scope does not know. */
export type OutboundTrafficMode = 'ALLOW_ANY' | 'REGISTRY_ONLY';

/** A Sidecar object, compiled. Immutable. */
export interface Sidecar {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Absent: the namespace's default (in the root namespace: the mesh's default). */
  readonly workloadSelector?: Readonly<Record<string, string>>;
  /** Empty: everything visible, as Istio's default scope. */
  readonly egress: readonly EgressSpec[];
  readonly ingress: readonly IngressSpec[];
  readonly outboundTrafficMode?: OutboundTrafficMode;
}

/** Istio's default scope: every visible host, on every port. */
export const defaultEgress: readonly EgressSpec[] = [{ captureMode: 'DEFAULT', hosts: [{ namespace: '*', host: '*' }] }];

/** Whether a host pattern covers a host; `*.example.com` covers `*.example.com` itself and every name below `example.com`. */
export function matchesHost(pattern: string, hostname: string): boolean {
  if (pattern === '*' || pattern === hostname) return true;
  return pattern.startsWith('*') && hostname.endsWith(pattern.slice(1));
}
