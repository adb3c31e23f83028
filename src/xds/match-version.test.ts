import { expect, it } from 'vitest';
import { matchesVersion } from './match-version.ts';

it('matches anywhere in the version, and remembers', () => {
  const pattern = /1\.2[0-9]/;
  expect(['1.24.1', 'v1.20', '1.3.0', '1.24.1'].map((version) => matchesVersion(pattern, version))).toEqual([
    true,
    true,
    false,
    true,
  ]);
});

it('gives up a match that would take for ever, and one of a version that is none', () => {
  expect(matchesVersion(/^(([0-9]+)+\.)+$/, `${'1'.repeat(200)}!`)).toBe(false);
  expect(matchesVersion(/1/, '1'.repeat(257))).toBe(false);
});
