import { type Clock, systemClock } from '../clock.ts';

/** The machine's clock, set wrong: `aheadMs` in the future, or in the past if negative. */
export function skewedClock(aheadMs: number): Clock {
  return { ...systemClock, now: () => systemClock.now() + aheadMs };
}
