import { describe, expect, it } from 'vitest';
import { durationProblem, parseDurationMs } from './duration.ts';

describe('parseDurationMs', () => {
  it.each([
    ['0', 0],
    ['10s', 10_000],
    ['1h30m', 5_400_000],
    ['2.5s', 2500],
    ['.5s', 500],
    ['1.s', 1000],
    ['250ms', 250],
    ['1500us', 1.5],
    ['2µs', 0.002],
    ['-3s', -3000],
    ['+1m', 60_000],
  ])('%s', (text, expected) => {
    expect(parseDurationMs(text)).toBeCloseTo(expected, 9);
  });

  it.each(['', '10', 's', '10 s', '1d', '1h-30m', 'PT10S', '1e3s', '.s', `${'1'.repeat(70)}s`])('refuses %j', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });
});

it('takes a sum of fractions for the whole milliseconds that it is', () => {
  expect(durationProblem('0.3s')).toBeUndefined();
  expect(durationProblem('1.001s')).toBeUndefined();
});
