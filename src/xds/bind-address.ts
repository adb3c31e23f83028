/** A host and port as one writes them: IPv6 hosts in brackets. `host` may come with or without its own. */
export function formatAddress(host: string, port: number): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return bare.includes(':') ? `[${bare}]:${port}` : `${bare}:${port}`;
}
