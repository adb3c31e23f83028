/** How a candidate for the lease is named: `<pod>_<ip:port>`, so that whoever holds it can be found from its name alone. */
export function replicaIdentity(pod: string, statusAddress: string): string {
  return `${pod}_${statusAddress}`;
}

/** Where the replica of this identity serves its status port, `ip:port` with IPv6 in brackets; undefined: the identity does not say. */
export function addressOfIdentity(identity: string): string | undefined {
  const address = identity.slice(identity.lastIndexOf('_') + 1);
  return /^(\[[0-9a-fA-F:.]+\]|[^[\]:/@?#\s]+):\d{1,5}$/.test(address) ? address : undefined;
}
