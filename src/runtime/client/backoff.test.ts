import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

describe('Backoff', () => {
  it('doubles up to its limit, adds jitter, and starts again after a success', () => {
    let random = 0;
    const backoff = new Backoff({ baseMs: 800, maxMs: 30_000, random: () => random });
    expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
    random = 0.5;
    expect(backoff.next()).toBe(45_000);
    expect(backoff.failures).toBe(8);
    backoff.reset();
    expect(backoff.next()).toBe(1_200);
  });

  it('stays at its limit however long it fails', () => {
    const backoff = new Backoff({ baseMs: 800, maxMs: 30_000, jitter: 0 });
    for (let failure = 0; failure < 5_000; failure++) backoff.next();
    expect(backoff.next()).toBe(30_000);
  });
});
