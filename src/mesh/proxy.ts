/** Which address families a proxy has: decides what its listeners bind and which endpoints it can reach. */
export type IpFamilies = 'ipv4' | 'ipv6' | 'dual';

/** How traffic comes to the proxy, Istio's `INTERCEPTION_MODE`; NONE: it binds its listeners' ports itself. */
export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

/** What Weft knows of one connected proxy, read from its xDS node: Istio's node id and metadata. */
export interface ProxyNode {
  /** The node id as sent: `sidecar~<ip>~<pod>.<ns>~<ns>.svc.<domain>`. */
  readonly id: string;
  readonly type: 'sidecar';
  /** The pod's (or workload's) name, from the id. */
  readonly name: string;
  readonly namespace: string;
  /** Every address of the workload (`INSTANCE_IPS`, else the id's), canonical text without brackets. */
  readonly ipAddresses: readonly string[];
  readonly ipFamilies: IpFamilies;
  /**
   * Whom selectors of Sidecars and EnvoyFilters take it for. Of a proxy that was let in by its pod's token: the pod's, replaced when they
   * change; else as the node says.
   */
  labels: Readonly<Record<string, string>>;
  /** The DNS suffix of the id, `shop.svc.cluster.local` for namespace shop. */
  readonly dnsDomain: string;
  readonly interceptionMode: InterceptionMode;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly clusterId: string;
  /** As the node says, which nobody has to believe; empty: it says nothing. Whom a token was issued to is the authenticator's to know. */
  readonly serviceAccount: string;
  /** The proxy's own software version, `1.40.0`, where it told it. */
  readonly proxyVersion?: string;
  /** All of the node's metadata, as JSON; EnvoyFilter's proxy match reads it. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** How status and messages name a proxy: `namespace/name`. */
export function proxyName(node: ProxyNode): string {
  return `${node.namespace}/${node.name}`;
}
