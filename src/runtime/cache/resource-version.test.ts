import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOlderVersion } from './resource-version.ts';

describe('isOlderVersion', () => {
  it('compares numbers of any length', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 70n }), fc.bigInt({ min: 0n, max: 2n ** 70n }), (a, b) => {
        expect(isOlderVersion(String(a), String(b))).toBe(a < b);
      }),
    );
  });

  it('claims nothing of what it cannot compare', () => {
    for (const [a, b] of [
      [undefined, '2'],
      ['1', undefined],
      ['1', 'b2'],
      ['', '2'],
    ])
      expect(isOlderVersion(a, b)).toBe(false);
  });
});
