import type { CaptureOptions } from './capture-options.ts';
import { type Family, nameserverLine, nameserverWord, ofFamily, type Rule } from './rule-table.ts';

/** True if any query is captured. Known servers of which there are none leave nothing to capture, in either family. */
export const capturesDns = ({ dns, nameservers }: CaptureOptions): boolean =>
  dns === 'all' || (dns === 'resolvConf' && nameservers?.length !== 0);

/** A server whose queries are captured, as the beginning of its rules and the way to match packets to and from it. */
interface Server {
  readonly prefix: string;
  readonly to: string;
  readonly from: string;
}

/** One for each known server of the family, one in the place of those that the init container will read, one for all there are. */
function capturedServers(options: CaptureOptions, family: Family): Server[] {
  const server = (address: string, prefix = ''): Server => ({
    prefix,
    to: `-d ${address}/${family.addressBits} `,
    from: `-s ${address}/${family.addressBits} `,
  });
  if (!capturesDns(options)) return [];
  if (options.dns === 'all') return [{ prefix: '', to: '', from: '' }];
  if (options.nameservers === undefined) return [server(nameserverWord, nameserverLine)];
  return ofFamily(options.nameservers, family).map((address) => server(address));
}

/** The nat rules that lead queries to the sidecar's resolver. They stand after those that let the sidecar itself pass. */
export function natDnsRules(options: CaptureOptions, family: Family): Rule[] {
  const servers = capturedServers(options, family);
  if (servers.length === 0) return [];
  const redirect = (protocol: 'tcp' | 'udp'): Rule[] =>
    servers.map(
      ({ prefix, to }) => `${prefix}-A ISTIO_OUTPUT_DNS ${to}-p ${protocol} --dport 53 -j REDIRECT --to-ports ${options.dnsPort}`,
    );
  return ['-A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS', ...redirect('tcp'), ...redirect('udp')];
}

/**
 * The raw table: the sidecar's own queries are tracked in zone 1, the application's in zone 2. Both may use the same ports at the same
 * time, and one's answer must not be taken for the other's.
 */
export function rawDnsRules(options: CaptureOptions, family: Family): Rule[] {
  if (!capturesDns(options)) return [];
  const zones = (owner: string): Rule[] => [
    `-A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner ${owner} -j CT --zone 1`,
    `-A ISTIO_OUTPUT_DNS -p udp --sport ${options.dnsPort} -m owner ${owner} -j CT --zone 2`,
  ];
  const servers = capturedServers(options, family);
  return [
    '-A OUTPUT -j ISTIO_OUTPUT_DNS',
    ...(servers.length === 0 ? [] : ['-A PREROUTING -j ISTIO_INBOUND']),
    ...options.proxyUids.flatMap((uid) => zones(`--uid-owner ${uid}`)),
    ...options.proxyGids.flatMap((gid) => zones(`--gid-owner ${gid}`)),
    ...servers.flatMap(({ prefix, to, from }) => [
      `${prefix}-A ISTIO_OUTPUT_DNS ${to}-p udp --dport 53 -j CT --zone 2`,
      `${prefix}-A ISTIO_INBOUND ${from}-p udp --sport 53 -j CT --zone 1`,
    ]),
  ];
}
