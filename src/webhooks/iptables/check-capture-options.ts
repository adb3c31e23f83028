import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { CaptureOptions } from './capture-options.ts';

/** A value that no rule can be made of. The message names the option; who knows the annotation behind it takes `field`. */
export class CaptureOptionError extends Error {
  readonly field: keyof CaptureOptions;
  /** The one bad value, not the list that it stands in. */
  readonly value: unknown;
  /** What a good value is: `must be …`. */
  readonly reason: string;

  constructor(field: keyof CaptureOptions, value: unknown, reason: string) {
    super(`capture option ${field}: ${JSON.stringify(value)} ${reason}`);
    this.name = 'CaptureOptionError';
    this.field = field;
    this.value = value;
    this.reason = reason;
  }
}

const mayBeEverything: ReadonlySet<keyof CaptureOptions> = new Set(['includeInboundPorts', 'includeOutboundIPRanges']);

const highestId = 2 ** 32 - 2;

const isWholeNumber = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

/** The kernel's limit of 15 characters; a last `+` stands for any ending. What a rule file would read as something else is out. */
const isInterface = (name: string): boolean => /^[A-Za-z0-9_.][A-Za-z0-9_.@~=-]{0,14}\+?$/.test(name) && name.length <= 15;

/** `10.0.0.0/8`, `2001:db8::/32`: an address of four decimals or of IPv6, and a length. No zone, no octal, no bare address. */
const isCidr = (range: string): boolean => {
  const [address = '', length = '', ...rest] = range.split('/');
  return (
    rest.length === 0 && /^\d{1,3}$/.test(length) && isIP(address) !== 0 && !address.includes('%') && ipaddr.isValidCIDR(range)
  );
};

/** Throws a CaptureOptionError at the first value that is not good; a rule is never made of anything that has not been through here. */
export function checkCaptureOptions(options: CaptureOptions): void {
  const each = <Value>(field: keyof CaptureOptions, isGood: (value: Value) => boolean, reason: string): void => {
    const given = options[field];
    if (given === undefined || (given === '*' && mayBeEverything.has(field))) return;
    for (const value of [given].flat()) {
      if (!isGood(value as Value)) throw new CaptureOptionError(field, value, reason);
    }
  };
  const isPort = (value: unknown): boolean => isWholeNumber(value, 0, 65_535);
  for (const field of ['outboundPort', 'inboundPort', 'tunnelPort', 'dnsPort'] as const)
    each(field, (value) => isWholeNumber(value, 1, 65_535), 'must be a port, 1 to 65535');
  for (const field of [
    'includeInboundPorts',
    'excludeInboundPorts',
    'includeOutboundPorts',
    'excludeOutboundPorts',
    'statusPort',
  ] as const)
    each(field, isPort, 'must be a port, 0 to 65535');
  for (const field of ['proxyUids', 'proxyGids'] as const)
    each(field, (value) => isWholeNumber(value, 0, highestId), `must be a user or group id, 0 to ${highestId}`);
  for (const field of ['tproxyMark', 'tproxyRouteTable'] as const)
    each(field, (value) => isWholeNumber(value, 1, highestId), `must be a whole number, 1 to ${highestId}`);
  for (const field of ['includeOutboundIPRanges', 'excludeOutboundIPRanges'] as const)
    each(field, isCidr, 'must be a range such as 10.0.0.0/8 or 2001:db8::/32');
  each('nameservers', (value: string) => isIP(value) !== 0 && !value.includes('%'), 'must be an IP address');
  each('excludeInterfaces', isInterface, 'must be the name of a network interface such as eth0');
}
