import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { BucketRateLimiter, ItemExponentialFailureRateLimiter, MaxOfRateLimiter } from './rate-limiter.ts';

describe('ItemExponentialFailureRateLimiter', () => {
  it('doubles from 5 ms to 1,000 s for each key on its own, and starts over when forgotten', () => {
    const limiter = new ItemExponentialFailureRateLimiter();
    const delays = Array.from({ length: 20 }, () => limiter.whenMs('a'));
    expect(delays.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(delays[17]).toBe(655_360);
    expect(delays.slice(18)).toEqual([1_000_000, 1_000_000]);
    expect(limiter.whenMs('b')).toBe(5);
    expect(limiter.numRequeues('a')).toBe(20);
    limiter.forget('a');
    expect([limiter.numRequeues('a'), limiter.whenMs('a')]).toEqual([0, 5]);
  });

  it('stays at the limit for any number of failures', () => {
    const limiter = new ItemExponentialFailureRateLimiter(1, 100);
    for (let failure = 0; failure < 2_000; failure++) limiter.whenMs('a');
    expect(limiter.whenMs('a')).toBe(100);
  });
});

describe('BucketRateLimiter', () => {
  it('lets a burst through, then one per interval, and refills up to the burst', () => {
    const clock = new FakeClock();
    const limiter = new BucketRateLimiter(10, 2, clock);
    expect([1, 2, 3, 4].map(() => limiter.whenMs('any'))).toEqual([0, 0, 100, 200]);
    clock.advance(60_000);
    expect([1, 2, 3].map(() => limiter.whenMs('any'))).toEqual([0, 0, 100]);
  });
});

describe('MaxOfRateLimiter', () => {
  it('takes the longest wait and counts in each', () => {
    const limiter = new MaxOfRateLimiter(new ItemExponentialFailureRateLimiter(5), new BucketRateLimiter(10, 1, new FakeClock()));
    expect(limiter.whenMs('a')).toBe(5);
    expect(limiter.whenMs('a')).toBe(100);
    expect(limiter.numRequeues('a')).toBe(2);
    limiter.forget('a');
    expect(limiter.numRequeues('a')).toBe(0);
  });
});
