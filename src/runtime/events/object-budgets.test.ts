import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { ObjectBudgets } from './object-budgets.ts';

describe('object budgets', () => {
  it('give each key a burst and then one by one, and forget those that are full', () => {
    const clock = new FakeClock();
    const budgets = new ObjectBudgets(2, 1_000, clock);
    const take = (key: string, times: number) => Array.from({ length: times }, () => budgets.tryTake(key));
    expect(take('a', 3)).toEqual([true, true, false]);
    expect(take('b', 1)).toEqual([true]);
    clock.advance(1_000);
    budgets.sweep();
    expect(budgets.size).toBe(1);
    expect(take('a', 2)).toEqual([true, false]);
    clock.advance(2_000);
    budgets.sweep();
    expect(budgets.size).toBe(0);
    expect(take('a', 3)).toEqual([true, true, false]);
  });
});
