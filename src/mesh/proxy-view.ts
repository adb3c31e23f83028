import type { MeshConfig } from './mesh-config.ts';
import type { ObjectKey } from './object-key.ts';
import type { InterceptionMode, IpFamilies, ProxyNode } from './proxy.ts';
import type { Service, ServicePort } from './service.ts';
import type { EgressSpec, IngressSpec, OutboundTrafficMode } from './sidecar.ts';

/** What a proxy's class tells of the proxy: everything that may differ between two classes' resources. */
export interface ProxyTraits {
  readonly namespace: string;
  readonly dnsDomain: string;
  readonly ipFamilies: IpFamilies;
  readonly interceptionMode: InterceptionMode;
  /** The proxy answers its workload's DNS, so automatic addresses reach the application (Istio's `DNS_CAPTURE`). */
  readonly capturesDns: boolean;
}

/** A service port that the proxy's own workload serves. */
export interface InboundInstance {
  readonly service: Service;
  readonly port: ServicePort;
  /** The workload's own port behind it. */
  readonly targetPort: number;
}

/** The services that one egress listener imports. */
export interface EgressView {
  readonly spec: EgressSpec;
  /** By host, each already narrowed to the listener's port where it has one. */
  readonly services: ReadonlyMap<string, Service>;
}

/** Everything the translator may look at, and nothing else: a cache keyed by it cannot lie. */
export interface ProxyView {
  readonly traits: ProxyTraits;
  readonly config: MeshConfig;
  readonly egress: readonly EgressView[];
  readonly ingress: readonly IngressSpec[];
  readonly inbound: readonly InboundInstance[];
  readonly outboundTrafficMode: OutboundTrafficMode;
  /** The Sidecar that shaped this view, for provenance. */
  readonly sidecarKey?: ObjectKey;
}

/** The traits of one proxy. */
export function traitsOf(node: ProxyNode): ProxyTraits {
  return {
    namespace: node.namespace,
    dnsDomain: node.dnsDomain,
    ipFamilies: node.ipFamilies,
    interceptionMode: node.interceptionMode,
    capturesDns: node.metadata.DNS_CAPTURE === 'true' || node.metadata.DNS_CAPTURE === true,
  };
}
