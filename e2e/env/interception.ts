/** The ports and the user of a sidecar: Istio's. */
export const sidecarPorts = { outbound: 15_001, inbound: 15_006 } as const;

/** User id of the sidecar, whose own connections are left alone. */
export const sidecarUid = 1337;

/** What is redirected. */
export interface InterceptionOptions {
  /** Inbound ports that go past the sidecar. Default: 15090, 15021, 15020, as in Istio. */
  excludeInboundPorts?: number[];
  /** Destinations (CIDR) of outbound connections that go past the sidecar. Default: none. */
  excludeOutboundCidrs?: string[];
}

/**
 * Input for `iptables-restore` (family 4) or `ip6tables-restore` (6): Istio's chains for REDIRECT, for the sidecar's uid, all outbound
 * TCP to 15001 and all inbound TCP to 15006. Left out of Istio's rules: gid, DNS, HBONE's port 15008.
 */
export const interceptionRules = (family: 4 | 6, options: InterceptionOptions = {}): string => {
  const { excludeInboundPorts = [15_090, 15_021, 15_020], excludeOutboundCidrs = [] } = options;
  const loopback = family === 4 ? '127.0.0.1/32' : '::1/128';
  const inboundSource = family === 4 ? '127.0.0.6/32' : '::6/128';
  const isOwnFamily = (cidr: string): boolean => cidr.includes(':') === (family === 6);
  const owner = `-m owner --uid-owner ${sidecarUid}`;
  return [
    '*nat',
    ...['ISTIO_INBOUND', 'ISTIO_IN_REDIRECT', 'ISTIO_OUTPUT', 'ISTIO_REDIRECT'].map((chain) => `:${chain} - [0:0]`),
    `-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${sidecarPorts.outbound}`,
    `-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports ${sidecarPorts.inbound}`,
    '-A PREROUTING -p tcp -j ISTIO_INBOUND',
    ...excludeInboundPorts.map((port) => `-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`),
    '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT',
    '-A OUTPUT -p tcp -j ISTIO_OUTPUT',
    `-A ISTIO_OUTPUT -s ${inboundSource} -o lo -j RETURN`,
    `-A ISTIO_OUTPUT ! -d ${loopback} -o lo ${owner} -j ISTIO_IN_REDIRECT`,
    `-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner ${sidecarUid} -j RETURN`,
    `-A ISTIO_OUTPUT ${owner} -j RETURN`,
    `-A ISTIO_OUTPUT -d ${loopback} -j RETURN`,
    ...excludeOutboundCidrs.filter(isOwnFamily).map((cidr) => `-A ISTIO_OUTPUT -d ${cidr} -j RETURN`),
    '-A ISTIO_OUTPUT -j ISTIO_REDIRECT',
    'COMMIT',
    '',
  ].join('\n');
};
