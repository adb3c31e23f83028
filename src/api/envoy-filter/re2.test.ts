import { describe, expect, it } from 'vitest';
import { compileRe2 } from './re2.ts';

describe('compileRe2', () => {
  it.each([
    ['^1\\.30.*', '1.30.2', true],
    ['^1\\.30.*', '1x30', false],
    ['(?i)ALPHA', '1.30-alpha.1', true],
    ['(?sU)a.+c', 'a\nc', true],
    ['\\A1\\.(29|30)\\z', '1.30', true],
    ['\\A1\\.(29|30)\\z', '1.30\n', false],
    ['(?P<minor>\\d+)$', '1.30', true],
    ['^[[:digit:].]+$', '1.30', true],
    ['^[^[:alpha:]]+$', '1.30a', false],
    ['^[]a]+$', ']a', true],
    ['^[^]a]+$', 'b]', false],
    ['^[a[]+$', '[a', true],
    ['^(?:1|(?i:x))$', 'X', true],
    ['a{2,3}', 'aa', true],
    ['', 'anything', true],
  ])('%s on %j: %s', (pattern, text, expected) => {
    expect(compileRe2(pattern).pattern?.test(text)).toBe(expected);
  });

  it.each([
    ['a++', 'nothing to repeat'],
    ['(', 'unterminated group'],
    ['[a', 'unterminated character class'],
    ['a\\', 'it ends in a backslash'],
    ['(?=a)', '"(?=a" is not supported'],
    ['(?<!a)', '"(?<!" is not supported'],
    ['(a)\\1', 'backreferences such as \\1 are not supported'],
    ['\\q', '\\q is not supported'],
    ['[[:digits:]]', 'there is no character class [:digits:]'],
    ['a{1001}', 'a repetition may be at most 1000'],
  ])('refuses %s', (pattern, reason) => {
    expect(compileRe2(pattern).problem).toBe(`${JSON.stringify(pattern)} is not a regular expression: ${reason}`);
  });
});
