import type { LabelSelector } from '../api/label-selector.ts';
import type { ProxyConfig } from './proxy-config.ts';
import type { OutboundTrafficMode } from './sidecar.ts';

/** The mesh-wide settings, by the words of Istio's MeshConfig. */
export interface MeshConfig {
  /** Where mesh-wide defaults live. */
  readonly rootNamespace: string;
  /** The namespaces that take part, by their labels: those that one of the selectors matches; empty: all of them. */
  readonly discoverySelectors: readonly LabelSelector[];
  /** What a proxy does with traffic for hosts the mesh does not know, where no Sidecar says otherwise. */
  readonly outboundTrafficPolicy: { readonly mode: OutboundTrafficMode };
  /** Access log of every proxy; empty: none. `/dev/stdout` is usual. */
  readonly accessLogFile: string;
  /** Envoy's format string; empty: Envoy's default. */
  readonly accessLogFormat: string;
  readonly accessLogEncoding: 'TEXT' | 'JSON';
  /** Time to connect to an upstream, in milliseconds (`connectTimeout: 10s`). */
  readonly connectTimeoutMs: number;
  /** How long a sniffing listener waits for the first bytes, in milliseconds; 0: without end. */
  readonly protocolDetectionTimeoutMs: number;
  /** How often DNS clusters resolve anew, in milliseconds, where the answer's TTL does not say. */
  readonly dnsRefreshRateMs: number;
  /** What every proxy's ProxyConfig says where its pod does not; Weft reads it where it injects. */
  readonly defaultConfig: ProxyConfig;
  /** Whether an injected pod's own metrics are scraped through its sidecar, where the pod does not say. */
  readonly enablePrometheusMerge: boolean;
  /** Weft's own: pools of automatic addresses, as CIDRs; empty: no addresses of that family. */
  readonly automaticAddresses: { readonly ipv4: string; readonly ipv6: string };
}

/** Istio's defaults, and pools large enough that hosts practically never meet on one address (docs/adr/0004). */
export const defaultMeshConfig: MeshConfig = {
  rootNamespace: 'istio-system',
  discoverySelectors: [],
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  accessLogFile: '',
  accessLogFormat: '',
  accessLogEncoding: 'TEXT',
  connectTimeoutMs: 10_000,
  protocolDetectionTimeoutMs: 0,
  dnsRefreshRateMs: 60_000,
  defaultConfig: {},
  enablePrometheusMerge: true,
  automaticAddresses: { ipv4: '240.0.0.0/4', ipv6: '2001:2::/48' },
};
