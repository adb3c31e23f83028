import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { WorkQueue } from './work-queue.ts';

/** The queue's rules in their plainest form: one list, searched from end to end. */
class ReferenceQueue {
  readonly out = new Set<string>();
  items: { key: string; priority: number; readyAtMs: number; order: number }[] = [];
  readonly #failures = new Map<string, number>();
  #order = 0;
  #shut = false;

  add(key: string, nowMs: number, { priority = 0, afterMs = 0, rateLimited = false }): void {
    if (this.#shut) return;
    if (rateLimited) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      const limitMs = 5 * 2 ** failures;
      afterMs = afterMs > 0 ? Math.min(afterMs, limitMs) : limitMs;
    }
    const readyAtMs = afterMs > 0 ? nowMs + afterMs : Number.NEGATIVE_INFINITY;
    const present = this.items.find((item) => item.key === key);
    if (!present) {
      this.items.push({ key, priority, readyAtMs, order: this.#order++ });
      return;
    }
    present.readyAtMs = Math.min(present.readyAtMs, readyAtMs);
    if (priority > present.priority) {
      present.priority = priority;
      present.order = this.#order++;
    }
  }

  /** Delays that have passed: the items count as added anew, in the order of their ready times. */
  moveTo(nowMs: number): void {
    const due = this.items.filter((item) => item.readyAtMs > Number.NEGATIVE_INFINITY && item.readyAtMs <= nowMs);
    due.sort((a, b) => a.readyAtMs - b.readyAtMs || b.priority - a.priority || a.order - b.order);
    for (const item of due) {
      item.readyAtMs = Number.NEGATIVE_INFINITY;
      item.order = this.#order++;
    }
  }

  get(): { key: string; priority: number } | undefined {
    const ready = this.items.filter((item) => item.readyAtMs === Number.NEGATIVE_INFINITY && !this.out.has(item.key));
    ready.sort((a, b) => b.priority - a.priority || a.order - b.order);
    const first = ready[0];
    if (!first) return undefined;
    this.items.splice(this.items.indexOf(first), 1);
    this.out.add(first.key);
    return { key: first.key, priority: first.priority };
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  numRequeues(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  shutDown(): void {
    this.#shut = true;
    this.items = [];
  }

  get len(): number {
    return this.items.filter((item) => item.readyAtMs === Number.NEGATIVE_INFINITY).length;
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('add' as const), key, priority: fc.constantFrom(-100, 0, 0, 7) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('addAfter' as const),
      key,
      priority: fc.constantFrom(-100, 0),
      afterMs: fc.nat(30),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('addRateLimited' as const), key, priority: fc.constantFrom(0, 7) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('get' as const) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('done' as const), nth: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('forget' as const), key }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('advance' as const), ms: fc.nat(25) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('shutDown' as const) }) },
);

describe('WorkQueue, over random histories', () => {
  it('does what the reference does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const clock = new FakeClock();
        const queue = new WorkQueue({ clock });
        const reference = new ReferenceQueue();
        const nowMs = () => clock.monotonicMs();
        for (const now of steps) {
          switch (now.type) {
            case 'add':
            case 'addAfter':
            case 'addRateLimited': {
              const { type, key: added, ...options } = now;
              const rateLimited = type === 'addRateLimited';
              queue.addWithOptions({ ...options, rateLimited }, added);
              reference.add(added, nowMs(), { ...options, rateLimited });
              break;
            }
            case 'get': {
              const item = queue.tryGet();
              if (item) expect(reference.out).not.toContain(item.key);
              expect(item && { key: item.key, priority: item.priority }).toEqual(reference.get());
              break;
            }
            case 'done': {
              const out = [...reference.out][now.nth % Math.max(1, reference.out.size)];
              if (out === undefined) break;
              reference.out.delete(out);
              queue.done(out);
              break;
            }
            case 'forget':
              queue.forget(now.key);
              reference.forget(now.key);
              break;
            case 'advance':
              clock.advance(now.ms);
              reference.moveTo(nowMs());
              break;
            case 'shutDown':
              queue.shutDown();
              reference.shutDown();
              break;
          }
          expect(queue.len).toBe(reference.len);
          for (const name of ['a', 'b']) expect(queue.numRequeues(name)).toBe(reference.numRequeues(name));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('loses nothing: with workers of any speed, each add is followed by a hand-out that began after it', async () => {
    const history = fc.array(
      fc.record({
        key,
        waitMs: fc.nat(10),
        workMs: fc.nat(20),
        afterMs: fc.constantFrom(0, 0, 15),
        priority: fc.constantFrom(-100, 0, 3),
      }),
      { minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 1, max: 3 }), async (adds, workers) => {
        const clock = new FakeClock();
        const queue = new WorkQueue({ clock });
        const lastAdd = new Map<string, number>();
        const lastStart = new Map<string, number>();
        const out = new Set<string>();
        let served = 0;
        const work = async () => {
          for (let item = await queue.get(); item; item = await queue.get()) {
            expect(out.has(item.key)).toBe(false);
            out.add(item.key);
            lastStart.set(item.key, clock.monotonicMs());
            const workMs = adds[served++ % adds.length]!.workMs;
            await new Promise<void>((resolve) => void clock.setTimer(resolve, workMs));
            out.delete(item.key);
            queue.done(item.key);
          }
        };
        const working = Array.from({ length: workers }, work);
        for (const add of adds) {
          await clock.advanceAsync(add.waitMs);
          queue.addWithOptions({ priority: add.priority, afterMs: add.afterMs }, add.key);
          lastAdd.set(add.key, clock.monotonicMs());
        }
        await clock.advanceAsync(10_000);
        for (const [name, addedMs] of lastAdd) expect(lastStart.get(name)).toBeGreaterThanOrEqual(addedMs);
        expect(queue.len).toBe(0);
        queue.shutDown();
        await Promise.all(working);
      }),
      { numRuns: 40 },
    );
  });
});
