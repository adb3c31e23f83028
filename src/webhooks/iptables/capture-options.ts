/** How connections reach the sidecar: annotation `sidecar.istio.io/interceptionMode`, mesh config `defaultConfig.interceptionMode`. */
export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

/**
 * Which DNS queries go to the sidecar's own resolver: none; those to the servers that the pod's resolv.conf names, which the init
 * container reads when it runs; or whatever goes to port 53.
 */
export type DnsCapture = 'off' | 'resolvConf' | 'all';

/** All of the values of a list of ports or ranges. */
export type Everything = '*';

/**
 * What of a pod's traffic the sidecar gets: all that `computeRules` needs to know. Lists hold values that are already parsed;
 * `checkCaptureOptions` says which one is bad. Ports are 0 to 65535, ranges are CIDRs of either family in one list.
 */
export interface CaptureOptions {
  /** Default REDIRECT. With NONE there are no rules, and no init container. */
  readonly mode: InterceptionMode;
  /** User ids whose traffic is the sidecar's own. Default: 1337. Take them from `proxyOwner`. */
  readonly proxyUids: readonly number[];
  /** Group ids whose traffic is the sidecar's own. Default: 1337. Take them from `proxyOwner`. */
  readonly proxyGids: readonly number[];
  /** Where the sidecar takes outbound connections: mesh config `proxyListenPort`. Default 15001. */
  readonly outboundPort: number;
  /** Where the sidecar takes inbound connections: mesh config `proxyInboundListenPort`. Default 15006. */
  readonly inboundPort: number;
  /** HBONE's port, never redirected. Default 15008. */
  readonly tunnelPort: number;
  /** Where the sidecar answers DNS. Default 15053. */
  readonly dnsPort: number;
  /** Default off. In Istio: `ISTIO_META_DNS_CAPTURE` and, for all, `CAPTURE_ALL_DNS` in `proxyMetadata`. */
  readonly dns: DnsCapture;
  /**
   * With `dns: 'resolvConf'`, the servers where they are known beforehand. Default, undefined: the init container reads them, and the
   * rules hold a comment line in the place of each rule for a server.
   */
  readonly nameservers?: readonly string[];
  /** `traffic.sidecar.istio.io/includeOutboundIPRanges`. Default: everything. Empty: nothing but `includeOutboundPorts`. */
  readonly includeOutboundIPRanges: Everything | readonly string[];
  /** `traffic.sidecar.istio.io/excludeOutboundIPRanges`; wins over both includes. Default: none. */
  readonly excludeOutboundIPRanges: readonly string[];
  /** `traffic.sidecar.istio.io/includeOutboundPorts`: redirected whatever the address, unless that is excluded. Default: none. */
  readonly includeOutboundPorts: readonly number[];
  /** `traffic.sidecar.istio.io/excludeOutboundPorts`, of TCP and of UDP: 53 disables DNS capture. Default: none. */
  readonly excludeOutboundPorts: readonly number[];
  /**
   * `traffic.sidecar.istio.io/includeInboundPorts`. Default: everything but `excludeInboundPorts` and the sidecar's own ports. A list
   * ignores every exclusion, even the sidecar's own; an empty one leaves inbound traffic alone.
   */
  readonly includeInboundPorts: Everything | readonly number[];
  /** `traffic.sidecar.istio.io/excludeInboundPorts`, the pod's own list: the sidecar's ports are added by `computeRules`. Default: none. */
  readonly excludeInboundPorts: readonly number[];
  /** `traffic.sidecar.istio.io/excludeInterfaces`: nothing that comes or goes by these is captured. Default: none. */
  readonly excludeInterfaces: readonly string[];
  /** `status.sidecar.istio.io/port`, where probes are served: not captured. 0: there is none. Default 15020. */
  readonly statusPort: number;
  /** Mark of inbound packets on their way to the sidecar (TPROXY), and of the sidecar's own towards the application. Default 1337. */
  readonly tproxyMark: number;
  /** Routing table that leads marked packets to the loopback interface (TPROXY). Default 133. */
  readonly tproxyRouteTable: number;
}

/** Istio's defaults: all traffic of both directions to a sidecar that runs as 1337, DNS left alone. */
export const defaultCaptureOptions: CaptureOptions = {
  mode: 'REDIRECT',
  proxyUids: [1337],
  proxyGids: [1337],
  outboundPort: 15_001,
  inboundPort: 15_006,
  tunnelPort: 15_008,
  dnsPort: 15_053,
  dns: 'off',
  includeOutboundIPRanges: '*',
  excludeOutboundIPRanges: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  includeInboundPorts: '*',
  excludeInboundPorts: [],
  excludeInterfaces: [],
  statusPort: 15_020,
  tproxyMark: 1337,
  tproxyRouteTable: 133,
};

/** The sidecar's own ports besides the status port: Envoy's metrics and its health, which come in past the sidecar. */
export const uncapturedInboundPorts: readonly number[] = [15_090, 15_021];

/**
 * The users and groups by which the rules know the sidecar.
 *
 * REDIRECT: the `runAsUser` of the pod's own `istio-proxy`, as uid and as gid, as in Istio. TPROXY: the sidecar needs NET_ADMIN, which
 * only root gets, so it runs as uid 0 whatever `runAsUser` says, and a rule for that uid would let every process of root pass. There
 * it is known by its group alone.
 * @param owner the pod's own `istio-proxy` securityContext, default: uid and gid 1337
 */
export function proxyOwner(
  mode: InterceptionMode,
  { runAsUser = 1337, runAsGroup }: { runAsUser?: number; runAsGroup?: number } = {},
): Pick<CaptureOptions, 'proxyUids' | 'proxyGids'> {
  if (mode === 'TPROXY') return { proxyUids: [1337], proxyGids: [runAsGroup ?? 1337] };
  return { proxyUids: [runAsUser], proxyGids: [runAsUser] };
}
