import { describe, expect, it } from 'vitest';
import { FakeClock } from './fake-clock.ts';

describe('FakeClock', () => {
  it('runs due timers in order of time, then of setting, each at its own time', () => {
    const clock = new FakeClock(1_000);
    const ran: string[] = [];
    const note = (name: string) => () => void ran.push(`${name}@${clock.monotonicMs()}`);
    clock.setTimer(note('late'), 20);
    clock.setTimer(note('first'), 10);
    clock.setTimer(note('second'), 10);
    const cancel = clock.setTimer(note('cancelled'), 5);
    cancel();
    clock.setTimer(() => clock.setTimer(note('nested'), 3), 12);
    clock.advance(19);
    expect(ran).toEqual(['first@10', 'second@10', 'nested@15']);
    expect([clock.now(), clock.monotonicMs(), clock.pendingTimers]).toEqual([1_019, 19, 1]);
  });

  it('lets what a timer set going settle before the next timer', async () => {
    const clock = new FakeClock();
    const ran: string[] = [];
    const sleep = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(resolve, ms));
    const loop = (async () => {
      for (let round = 1; round <= 3; round++) {
        await sleep(10);
        ran.push(`loop${round}@${clock.monotonicMs()}`);
      }
    })();
    clock.setTimer(() => ran.push('timer@25'), 25);
    await clock.advanceAsync(30);
    await loop;
    expect(ran).toEqual(['loop1@10', 'loop2@20', 'timer@25', 'loop3@30']);
  });
});
