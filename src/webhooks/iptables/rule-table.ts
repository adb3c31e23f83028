/** One of the two families of addresses: what differs between the rules of iptables and those of ip6tables. */
export interface Family {
  readonly version: 4 | 6;
  /** The application's own address, which never goes to the sidecar unless it is asked for. */
  readonly loopback: string;
  /** The address from which the sidecar brings inbound connections to the application. */
  readonly inboundSource: string;
  /** Length of a range that is one address. */
  readonly addressBits: 32 | 128;
}

/** IPv4: the rules of iptables. */
export const ipv4: Family = { version: 4, loopback: '127.0.0.1/32', inboundSource: '127.0.0.6/32', addressBits: 32 };

/** IPv6: the rules of ip6tables. */
export const ipv6: Family = { version: 6, loopback: '::1/128', inboundSource: '::6/128', addressBits: 128 };

/** The ranges or addresses of one family out of a list that holds both. */
export const ofFamily = (ranges: readonly string[], { version }: Family): string[] =>
  ranges.filter((range) => range.includes(':') === (version === 6));

/** A comment line begins with this where a rule is repeated for each server of the pod's resolv.conf; the init container expands it. */
export const nameserverLine = '# for each nameserver: ';

/** What stands for the server's address in such a line. */
export const nameserverWord = 'NAMESERVER';

/** One rule, as in a restore file: `-A CHAIN …`. Or a comment line that the init container makes rules of. */
export type Rule = string;

/** The own chains that rules stand in or jump to, in order; the kernel's own are PREROUTING and OUTPUT. */
const ownChains = (rules: readonly Rule[]): Set<string> => new Set(rules.flatMap((rule) => rule.match(/\bISTIO_[A-Z_]+/g) ?? []));

/**
 * A table of a restore file, empty if it has no rules. Own chains are declared, which empties them when they are there already: with
 * `--noflush` what others have put into the table stays.
 */
export function formatTable(name: 'raw' | 'mangle' | 'nat', rules: readonly Rule[]): string {
  if (rules.length === 0) return '';
  return [`*${name}`, ...Array.from(ownChains(rules), (chain) => `:${chain} - [0:0]`), ...rules, 'COMMIT', ''].join('\n');
}
