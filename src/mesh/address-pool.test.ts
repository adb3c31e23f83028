import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressPool } from './address-pool.ts';

describe('AddressPool', () => {
  it('derives the address from the host alone', () => {
    const [one, two] = [new AddressPool('240.0.0.0/4'), new AddressPool('240.0.0.0/4')];
    one.claim('other.example.com', 0, []);
    expect(one.claim('api.example.com', 5, []).address).toBe(two.claim('api.example.com', 9, []).address);
  });

  it('keeps to its range, without the first and the last address, and does so for IPv6', () => {
    const small = new AddressPool('10.0.0.4/30');
    const given = ['a', 'b'].map((host) => small.claim(host, 0, []).address).sort();
    expect(given).toEqual(['10.0.0.5', '10.0.0.6']);
    expect(new AddressPool('2001:2::/48').claim('a', 0, []).address).toMatch(/^2001:2:0:/);
  });

  it('says when it is exhausted, and gives what is released', () => {
    const pool = new AddressPool('10.0.0.0/30');
    for (const host of ['a', 'b']) pool.claim(host, 0, []);
    expect(pool.claim('c', 1, []).address).toBeUndefined();
    expect(pool.release('a')).toBe(true);
    expect(pool.claim('c', 1, []).address).toMatch(/^10\.0\.0\.[12]$/);
  });

  it('leaves a recorded address to the host that recorded it, whoever comes first', () => {
    const pool = new AddressPool('10.0.0.0/29');
    const first = pool.claim('young', 9, []).address!;
    const claim = pool.claim('recorded', 10, [first]);
    expect(claim).toEqual({ address: first, evicted: 'young' });
    expect(pool.claim('young', 9, []).address).not.toBe(first);
    expect(pool.claim('older', 1, []).evicted).not.toBe('recorded');
  });

  it('ignores records of other ranges', () => {
    expect(new AddressPool('10.0.0.0/24').claim('a', 0, ['192.0.2.1', '2001:db8::1', 'nonsense', '10.0.0.0']).address).toMatch(
      /^10\.0\.0\.([1-9]\d*)$/,
    );
  });

  it('gives the same addresses in whatever order hosts come', () => {
    const hosts = fc.uniqueArray(fc.record({ host: fc.stringMatching(/^[a-z]{1,3}$/), createdAtMs: fc.nat(3) }), {
      selector: ({ host }) => host,
      maxLength: 14,
    });
    fc.assert(
      fc.property(hosts, fc.infiniteStream(fc.nat()), (claims, order) => {
        const shuffled = claims
          .map((claim) => ({ claim, rank: order.next().value }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ claim }) => claim);
        expect(assign(shuffled)).toEqual(assign(claims));
      }),
    );
  });
});

/** Everyone claims, and whoever is evicted claims again. */
function assign(claims: readonly { host: string; createdAtMs: number }[]): Record<string, string | undefined> {
  const pool = new AddressPool('10.0.0.0/28');
  const ages = new Map(claims.map(({ host, createdAtMs }) => [host, createdAtMs]));
  const settle = (host: string) => {
    const { evicted } = pool.claim(host, ages.get(host)!, []);
    if (evicted !== undefined) settle(evicted);
  };
  for (const { host } of claims) settle(host);
  return Object.fromEntries([...ages.keys()].sort().map((host) => [host, pool.claim(host, ages.get(host)!, []).address]));
}
