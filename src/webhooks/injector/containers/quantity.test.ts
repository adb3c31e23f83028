import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMore } from './quantity.ts';

describe('isMore', () => {
  it.each([
    ['2', '1'],
    ['2', '1999m'],
    ['1Gi', '1000M'],
    ['1.5', '1499999999n'],
    ['1e3', '999'],
    ['1E', '1e17'],
    ['129Mi', '0.125Gi'],
    ['.5', '499m'],
    ['1e999999999', '1Ei'],
    ['1', '-1'],
  ])('%s is more than %s', (more, less) => {
    expect(isMore(more, less)).toBe(true);
    expect(isMore(less, more)).toBe(false);
  });

  it.each([
    ['1', '1000m'],
    ['128Mi', '0.125Gi'],
    ['1e3', '1k'],
    ['+1', '1.'],
  ])('%s is as much as %s', (one, other) => {
    expect([isMore(one, other), isMore(other, one)]).toEqual([false, false]);
  });

  it('says nothing of what is no quantity', () => {
    for (const text of ['', 'm', '.', 'auto', '1x', '1'.repeat(65)])
      expect([isMore(text, 1), isMore(1, text)]).toEqual([false, false]);
  });

  it('takes milli for a thousandth, whatever the number', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        expect(isMore(`${a}m`, `${b}m`)).toBe(a > b);
        expect(isMore(a, `${b}m`)).toBe(a * 1000 > b);
      }),
    );
  });
});
