import { describe, expect, it } from 'vitest';
import { limitReason, limitWarnings } from './limit-remarks.ts';

describe('limitWarnings', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

  it('gives up to ten as they are', () => {
    expect(limitWarnings(many(10), 'weft')).toEqual(many(10));
  });

  it.each([
    [11, '1 more warning; weft inject lists all'],
    [1000, '990 more warnings; weft inject lists all'],
  ])('counts the others of %i', (count, last) => {
    expect(limitWarnings(many(count), 'weft inject')).toEqual([...many(10), last]);
  });

  it('keeps them below what API servers take in all, before they cut each', () => {
    const answer = limitWarnings(
      many(1000).map((text) => text.padEnd(5000, 'x')),
      'weft inject',
    );
    expect(answer[0]).toMatch(/^0x{382}…$/);
    expect(answer.join('').length).toBeLessThanOrEqual(4096);
  });
});

describe('limitReason', () => {
  it('cuts what is too long', () => {
    expect(limitReason('x'.repeat(4096))).toBe('x'.repeat(4096));
    expect(limitReason('x'.repeat(4097))).toBe(`${'x'.repeat(4095)}…`);
  });
});
