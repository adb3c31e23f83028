import { hash } from 'node:crypto';
import ipaddr from 'ipaddr.js';

/** How many places a host tries before it goes through the pool in order. */
const hashedProbes = 16;
/** Pools up to this size are searched to the last free address; in larger ones the hashed probes alone decide. */
const exhaustiveSize = 1n << 16n;

interface Holder {
  readonly host: string;
  readonly createdAtMs: number;
  readonly isRecorded: boolean;
}

/** What {@link AddressPool.claim} did. */
export interface Claim {
  /** The host's address; undefined: the pool is exhausted. */
  readonly address: string | undefined;
  /** A younger host that had to give the address up and must claim again. */
  readonly evicted?: string;
}

/**
 * Gives hosts addresses of one CIDR, derived from the host's name, so that neither the order of arrival nor a restart
 * moves them. Where two hosts meet on one address the one whose status recorded it keeps it, else the older.
 */
export class AddressPool {
  readonly #base: bigint;
  readonly #size: bigint;
  readonly #isIpv6: boolean;
  readonly #holders = new Map<bigint, Holder>();
  readonly #offsets = new Map<string, bigint>();

  /** @param cidr `240.0.0.0/4`, `2001:2::/48`. Throws on anything that is not a CIDR. */
  constructor(cidr: string) {
    const [address, prefixLength] = ipaddr.parseCIDR(cidr);
    const bytes = address.toByteArray();
    this.#isIpv6 = address.kind() === 'ipv6';
    this.#size = 1n << BigInt(bytes.length * 8 - prefixLength);
    this.#base = bytesToBigInt(bytes) & ~(this.#size - 1n);
  }

  /**
   * The address of `host`. A host that claims again keeps what it has.
   * @param recorded addresses that the host's object remembers in its status
   */
  claim(host: string, createdAtMs: number, recorded: readonly string[]): Claim {
    const held = this.#offsets.get(host);
    if (held !== undefined) return { address: this.#format(held) };
    for (const address of recorded) {
      const offset = this.#offsetOf(address);
      if (offset === undefined) continue;
      const holder = this.#holders.get(offset);
      if (!holder?.isRecorded) return this.#take(offset, { host, createdAtMs, isRecorded: true });
    }
    const newcomer: Holder = { host, createdAtMs, isRecorded: false };
    for (const offset of this.#places(host)) {
      const holder = this.#holders.get(offset);
      if (!holder || precedes(newcomer, holder)) return this.#take(offset, newcomer);
    }
    return { address: undefined };
  }

  /** Gives a host's address back; answers whether it had one. */
  release(host: string): boolean {
    const offset = this.#offsets.get(host);
    if (offset === undefined) return false;
    this.#offsets.delete(host);
    this.#holders.delete(offset);
    return true;
  }

  #take(offset: bigint, holder: Holder): Claim {
    const evicted = this.#holders.get(offset)?.host;
    if (evicted !== undefined) this.#offsets.delete(evicted);
    this.#holders.set(offset, holder);
    this.#offsets.set(holder.host, offset);
    return evicted === undefined ? { address: this.#format(offset) } : { address: this.#format(offset), evicted };
  }

  /** Where a host may live, in the order it tries: hashed places first, then, in a small pool, all of it. */
  *#places(host: string): Generator<bigint> {
    // The first and the last address of a pool are no hosts (RFC 1122, section 3.2.1.3).
    const usable = this.#size - 2n;
    if (usable <= 0n) return;
    for (let probe = 0; probe < hashedProbes; probe++) {
      yield 1n + (BigInt(`0x${hash('sha256', probe === 0 ? host : `${host}#${probe}`).slice(0, 32)}`) % usable);
    }
    if (this.#size > exhaustiveSize) return;
    for (let offset = 1n; offset <= usable; offset++) yield offset;
  }

  #offsetOf(address: string): bigint | undefined {
    if (!ipaddr.isValid(address)) return undefined;
    const parsed = ipaddr.parse(address);
    if ((parsed.kind() === 'ipv6') !== this.#isIpv6) return undefined;
    const offset = bytesToBigInt(parsed.toByteArray()) - this.#base;
    return offset > 0n && offset < this.#size - 1n ? offset : undefined;
  }

  #format(offset: bigint): string {
    const bytes: number[] = [];
    let rest = this.#base + offset;
    for (let index = 0; index < (this.#isIpv6 ? 16 : 4); index++) {
      bytes.unshift(Number(rest & 255n));
      rest >>= 8n;
    }
    return ipaddr.fromByteArray(bytes).toString();
  }
}

function precedes(a: Holder, b: Holder): boolean {
  if (b.isRecorded) return false;
  return a.createdAtMs - b.createdAtMs < 0 || (a.createdAtMs === b.createdAtMs && a.host < b.host);
}

function bytesToBigInt(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
