import { compareAge, listenerProtocol, type ServicePort, type ServiceSpec } from './service.ts';
import { meet } from './visibility.ts';

/** One `address:port` that a service lost to an older one. */
export interface LostAddress {
  /** `address:port`, as in {@link claimKey}. */
  readonly at: string;
  /** May be {@link anyAddress}. */
  readonly address: string;
  readonly port: number;
  /** The oldest holder. */
  readonly winner: ServiceSpec;
  /** Every older holder that it cannot share with: a proxy that sees none of them has the address to itself. Of {@link anyAddress} the oldest. */
  readonly holders: readonly ServiceSpec[];
}

interface PortClaim {
  readonly spec: ServiceSpec;
  readonly port: ServicePort;
}

/** Stands for every address, where a service has none and is given none. */
export const anyAddress = '*';

/** How a claim is named: `10.0.0.1:443`, `10.0.0.0/8:443`, `2001:db8::1:443`. */
export function claimKey(address: string, port: number): string {
  return `${address}:${port}`;
}

/**
 * Who holds which declared address and port. Services share one only where the listener can tell them apart:
 * HTTP by host, TLS by SNI. Everything else is decided by age.
 */
export class AddressClaims {
  readonly #claims = new Map<string, PortClaim[]>();

  /** Adds a service's claims; answers the other services whose listeners may have changed: at {@link anyAddress} they sort themselves out. */
  add(spec: ServiceSpec): ServiceSpec[] {
    const touched: ServiceSpec[] = [];
    for (const [key, port, address] of claimsOf(spec)) {
      const rivals = this.#claims.get(key);
      if (rivals) {
        if (address !== anyAddress) for (const rival of rivals) if (!canShare(rival, { spec, port })) touched.push(rival.spec);
        rivals.push({ spec, port });
        rivals.sort((a, b) => compareAge(a.spec, b.spec));
      } else this.#claims.set(key, [{ spec, port }]);
    }
    return touched;
  }

  /** Takes a service's claims back; answers the other services whose losses may have changed. */
  remove(spec: ServiceSpec): ServiceSpec[] {
    const touched: ServiceSpec[] = [];
    for (const [key, port, address] of claimsOf(spec)) {
      const rest = this.#claims.get(key)?.filter((claim) => claim.spec !== spec);
      if (rest?.length) {
        this.#claims.set(key, rest);
        if (address !== anyAddress) for (const rival of rest) if (!canShare(rival, { spec, port })) touched.push(rival.spec);
      } else this.#claims.delete(key);
    }
    return touched;
  }

  /** What a service lost, and to whom. */
  lost(spec: ServiceSpec): LostAddress[] {
    const lost: LostAddress[] = [];
    for (const [key, port, address] of claimsOf(spec)) {
      const claims = this.#claims.get(key) ?? [];
      const holders: ServiceSpec[] = [];
      for (const claim of claims) {
        if (claim.spec === spec) break;
        if (canShare(claim, { spec, port }) || !meet(claim.spec, spec)) continue;
        holders.push(claim.spec);
        // There may be hundreds, and only one is told of.
        if (address === anyAddress) break;
      }
      if (holders[0]) lost.push({ at: key, address, port: port.number, winner: holders[0], holders });
    }
    return lost;
  }
}

/**
 * A service without an address is on the wildcard listener of its port for every proxy. What shares that is told apart there, HTTP by
 * host and TLS by SNI; of those that take any connection the oldest has it. Services with automatic addresses meet there only before
 * proxies that do not answer DNS, which is not for them to answer for.
 */
function* claimsOf(spec: ServiceSpec): Generator<[key: string, port: ServicePort, address: string]> {
  if (!spec.addresses.length && !spec.wantsAddresses && !spec.isHeadless && spec.aliasOf === undefined) {
    for (const port of spec.ports) {
      const protocol = listenerProtocol(port.protocol);
      if (protocol === 'tcp' || protocol === 'auto') yield [claimKey(anyAddress, port.number), port, anyAddress];
    }
  }
  for (const address of spec.addresses) {
    for (const port of spec.ports) {
      if (listenerProtocol(port.protocol) !== 'none') yield [claimKey(address, port.number), port, address];
    }
  }
}

/** Two hosts of one object share its addresses on purpose: the listener takes the first and that is no conflict to report. */
function canShare(a: PortClaim, b: PortClaim): boolean {
  if (a.spec.owner === b.spec.owner || a.spec.hostname === b.spec.hostname) return true;
  const protocol = listenerProtocol(a.port.protocol);
  return protocol === listenerProtocol(b.port.protocol) && (protocol === 'http' || protocol === 'tls');
}
