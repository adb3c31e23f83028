import { isIP } from 'node:net';
import { shown } from './structure.ts';

/** What an address of a Unix domain socket starts with. */
export const unixPrefix = 'unix://';

/** True for an IPv4 or IPv6 address without a port; an IPv6 zone (`%eth0`) is allowed, brackets are not. */
export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** True for an address that names a Unix domain socket. */
export function isUnixAddress(text: string): boolean {
  return text.startsWith(unixPrefix);
}

/** Why a text is not an IP address. */
export function ipAddressProblem(text: string): string | undefined {
  return isIpAddress(text) ? undefined : `${shown(text)} is not an IPv4 or IPv6 address`;
}

/** Why a text is neither an IP address nor a CIDR block. Bits set beyond the prefix are allowed, as in Istio. */
export function subnetProblem(text: string): string | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return isIpAddress(text) ? undefined : `${shown(text)} is neither an IP address nor a CIDR block`;
  const address = text.slice(0, slash);
  const prefix = text.slice(slash + 1);
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return `${shown(text)} is not a CIDR block: ${shown(address)} is not an IP address`;
  const longest = family === 4 ? 32 : 128;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > longest) {
    return `${shown(text)} is not a CIDR block: the prefix length must be between 0 and ${longest}`;
  }
  return undefined;
}

/** Why an address beginning with `unix://` does not name a socket: it takes an absolute path to a file, or `@` and an abstract name. */
export function unixAddressProblem(address: string): string | undefined {
  const path = address.slice(unixPrefix.length);
  if (path.startsWith('@')) return undefined;
  if (path === '') return 'the socket path after unix:// is missing';
  if (!path.startsWith('/')) return `the socket path ${shown(path)} must be absolute, or begin with @ for an abstract socket`;
  if (path.endsWith('/')) return `the socket path ${shown(path)} names a directory`;
  return undefined;
}
