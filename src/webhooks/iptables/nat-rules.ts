import ipaddr from 'ipaddr.js';
import { type CaptureOptions, uncapturedInboundPorts } from './capture-options.ts';
import { capturesDns, natDnsRules } from './dns-rules.ts';
import { type Family, ofFamily, type Rule } from './rule-table.ts';

/** The ports that inbound traffic reaches past the sidecar, if all the others are captured: each once. */
export const excludedInboundPorts = ({ statusPort, excludeInboundPorts }: CaptureOptions): number[] => [
  ...new Set([...uncapturedInboundPorts, ...(statusPort === 0 ? [] : [statusPort]), ...excludeInboundPorts]),
];

/** Rules that end the way of packets of the excluded interfaces before any other rule of the table sees them. */
export const interfaceRules = ({ excludeInterfaces }: CaptureOptions): Rule[] =>
  excludeInterfaces.flatMap((name) => [`-A PREROUTING -i ${name} -j RETURN`, `-A OUTPUT -o ${name} -j RETURN`]);

function inboundRules(options: CaptureOptions): Rule[] {
  const { mode, includeInboundPorts: ports } = options;
  if (mode === 'TPROXY' || ports.length === 0) return [];
  const jump = '-A PREROUTING -p tcp -j ISTIO_INBOUND';
  if (ports !== '*') return [jump, ...ports.map((port) => `-A ISTIO_INBOUND -p tcp --dport ${port} -j ISTIO_IN_REDIRECT`)];
  return [
    jump,
    ...excludedInboundPorts(options).map((port) => `-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`),
    '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT',
  ];
}

/** `127.0.0.0/8` and the like, of either family: with one of them included, what goes by the loopback interface is captured too. */
const isLoopback = (range: string): boolean => ipaddr.parse(range.split('/')[0]!).range() === 'loopback';

/**
 * What the sidecar sends, known by the owner of its sockets: towards the pod itself it goes in by the inbound listener, everything else
 * is let go. And what the application sends by the loopback interface stays there.
 * @param option `--uid-owner` or `--gid-owner`
 */
function ownerRules(options: CaptureOptions, family: Family, option: '--uid-owner' | '--gid-owner', id: number): Rule[] {
  const { includeOutboundIPRanges: ranges, tunnelPort } = options;
  const dns = capturesDns(options);
  // The resolver's own TCP queries to a server in this pod are by uid; by gid Istio does not except them.
  const notTo = dns && option === '--uid-owner' ? `-m multiport ! --dports 53,${tunnelPort}` : `! --dport ${tunnelPort}`;
  const loopbackReturn = `-A ISTIO_OUTPUT -o lo ${dns ? '-p tcp ! --dport 53 ' : ''}-m owner ! ${option} ${id} -j RETURN`;
  return [
    `-A ISTIO_OUTPUT -o lo ! -d ${family.loopback} -p tcp ${notTo} -m owner ${option} ${id} -j ISTIO_IN_REDIRECT`,
    ...(ranges !== '*' && ranges.some(isLoopback) ? [] : [loopbackReturn]),
    `-A ISTIO_OUTPUT -m owner ${option} ${id} -j RETURN`,
  ];
}

function outboundRules(options: CaptureOptions, family: Family): Rule[] {
  const { includeOutboundIPRanges: included } = options;
  return [
    '-A OUTPUT -j ISTIO_OUTPUT',
    ...options.excludeOutboundPorts.flatMap((port) =>
      ['tcp', 'udp'].map((protocol) => `-A ISTIO_OUTPUT -p ${protocol} --dport ${port} -j RETURN`),
    ),
    `-A ISTIO_OUTPUT -o lo -s ${family.inboundSource} -j RETURN`,
    ...options.proxyUids.flatMap((uid) => ownerRules(options, family, '--uid-owner', uid)),
    ...options.proxyGids.flatMap((gid) => ownerRules(options, family, '--gid-owner', gid)),
    ...natDnsRules(options, family),
    `-A ISTIO_OUTPUT -d ${family.loopback} -j RETURN`,
    ...ofFamily(options.excludeOutboundIPRanges, family).map((range) => `-A ISTIO_OUTPUT -d ${range} -j RETURN`),
    ...options.includeOutboundPorts.map((port) => `-A ISTIO_OUTPUT -p tcp --dport ${port} -j ISTIO_REDIRECT`),
    ...(included === '*'
      ? ['-A ISTIO_OUTPUT -j ISTIO_REDIRECT']
      : ofFamily(included, family).map((range) => `-A ISTIO_OUTPUT -d ${range} -j ISTIO_REDIRECT`)),
  ];
}

/** The nat table: what goes out, and with REDIRECT what comes in. The order of the rules is Istio's. */
export const natRules = (options: CaptureOptions, family: Family): Rule[] => [
  ...interfaceRules(options),
  `-A ISTIO_INBOUND -p tcp --dport ${options.tunnelPort} -j RETURN`,
  `-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${options.outboundPort}`,
  `-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports ${options.inboundPort}`,
  ...inboundRules(options),
  ...outboundRules(options, family),
];
