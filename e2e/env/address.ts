import { isIPv6 } from 'node:net';

/** Where a process listens or connects to: an IP address and port, or the path of a unix socket. */
export type Address = { host: string; port: number } | { path: string };

/** True for the path of a unix socket. */
export const isPath = (address: Address): address is { path: string } => 'path' in address;

/** `127.0.0.1:80`, `[::1]:80` or `unix:/run/x.sock`: the form that `parseAddress` reads back. */
export const formatAddress = (address: Address): string => {
  if (isPath(address)) return `unix:${address.path}`;
  return isIPv6(address.host) ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
};

/**
 * Reads `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`.
 * Throws an Error that quotes the text and names the three forms when it is none of them.
 */
export const parseAddress = (text: string): Address => {
  if (text.startsWith('unix:') && text.length > 5) return { path: text.slice(5) };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new Error(`'${text}' is no address: write HOST:PORT, [IPV6]:PORT or unix:PATH`);
  return { host: (match[1] ?? match[2])!, port };
};
