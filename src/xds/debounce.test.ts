import { describe, expect, it } from 'vitest';
import { pushDueMs } from './debounce.ts';

const options = { debounceAfterMs: 100, debounceMaxMs: 10_000 };
const due = (firstChangeMs: number, lastChangeMs: number, lastPushEndMs: number | undefined, lastCostMs: number) =>
  pushDueMs({ firstChangeMs, lastChangeMs, lastPushEndMs, lastCostMs }, options);

describe('pushDueMs', () => {
  it('pushes at once when idle', () => {
    expect(due(50, 50, undefined, 0)).toBe(50);
    expect(due(1000, 1000, 900, 40)).toBe(1000);
  });

  it('waits a cheap push out, and hardly longer', () => {
    expect(due(1000, 1000, 999, 2)).toBe(1002);
  });

  it('lets pushing take half of the time at most', () => {
    expect(due(1000, 1000, 990, 800)).toBe(1790);
  });

  it('waits for quiet, but no longer than the limit', () => {
    expect(due(1000, 1700, 990, 300)).toBe(1800);
    expect(due(1000, 10_990, 990, 300)).toBe(11_000);
    expect(due(1000, 1000, 990, 60_000)).toBe(11_000);
  });
});
