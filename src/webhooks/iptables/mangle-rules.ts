import type { CaptureOptions } from './capture-options.ts';
import { excludedInboundPorts, interfaceRules } from './nat-rules.ts';
import type { Family, Rule } from './rule-table.ts';

/** Mark of what the sidecar sends to the application by the pod's own address: it comes in again and has to be captured (TPROXY). */
const outboundMark = 1338;

function inboundRules(options: CaptureOptions, family: Family): Rule[] {
  const { includeInboundPorts: ports, tproxyMark: mark } = options;
  if (ports.length === 0) return [];
  const capture = (match: string): Rule[] => [
    `-A ISTIO_INBOUND -p tcp ${match}-m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT`,
    `-A ISTIO_INBOUND -p tcp ${match}-j ISTIO_TPROXY`,
  ];
  return [
    `-A ISTIO_DIVERT -j MARK --set-mark ${mark}`,
    '-A ISTIO_DIVERT -j ACCEPT',
    `-A ISTIO_TPROXY ! -d ${family.loopback} -p tcp -j TPROXY --tproxy-mark ${mark}/0xffffffff --on-port ${options.inboundPort}`,
    '-A PREROUTING -p tcp -j ISTIO_INBOUND',
    // The sidecar's own towards the application: marked by its original_src filter, from its inbound source, or the application to itself.
    `-A ISTIO_INBOUND -p tcp -m mark --mark ${mark} -j RETURN`,
    `-A ISTIO_INBOUND -p tcp -s ${family.inboundSource} -i lo -j RETURN`,
    `-A ISTIO_INBOUND -p tcp -i lo -m mark ! --mark ${outboundMark} -j RETURN`,
    ...(ports === '*'
      ? [...excludedInboundPorts(options).map((port) => `-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`), ...capture('')]
      : ports.flatMap((port) => capture(`--dport ${port} `))),
  ];
}

/**
 * The mangle table, of TPROXY only: what comes in keeps its addresses and is routed to the sidecar by its mark. The sidecar connects to
 * the application from the client's address, so the answers have to find back to it: the mark goes with the connection.
 */
export function mangleRules(options: CaptureOptions, family: Family): Rule[] {
  if (options.mode !== 'TPROXY') return [];
  const { tproxyMark: mark, proxyUids, proxyGids } = options;
  const owners = [...proxyUids.map((uid) => `--uid-owner ${uid}`), ...proxyGids.map((gid) => `--gid-owner ${gid}`)];
  return [
    ...interfaceRules(options),
    ...inboundRules(options, family),
    `-A PREROUTING -p tcp -m mark --mark ${mark} -j CONNMARK --save-mark`,
    `-A OUTPUT -p tcp -o lo -m mark --mark ${mark} -j RETURN`,
    ...owners.map(
      (owner) => `-A OUTPUT ! -d ${family.loopback} -p tcp -o lo -m owner ${owner} -j MARK --set-mark ${outboundMark}`,
    ),
    `-A OUTPUT -p tcp -m connmark --mark ${mark} -j CONNMARK --restore-mark`,
  ];
}
