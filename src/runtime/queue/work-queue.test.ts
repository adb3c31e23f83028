import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { WorkQueue } from './work-queue.ts';

function setup() {
  const clock = new FakeClock();
  const queue = new WorkQueue({ clock });
  const drain = () => {
    const keys: string[] = [];
    for (let item = queue.tryGet(); item; item = queue.tryGet()) keys.push(item.key);
    return keys;
  };
  return { clock, queue, drain };
}

describe('WorkQueue', () => {
  it('hands out in the order of adding, a key added twice once', () => {
    const { queue, drain } = setup();
    for (const key of ['a', 'b', 'a', 'c']) queue.add(key);
    expect(queue.len).toBe(3);
    expect(drain()).toEqual(['a', 'b', 'c']);
  });

  it('hands out higher priorities first and tells the priority', () => {
    const { queue, drain } = setup();
    queue.addWithOptions({ priority: -100 }, 'low1', 'low2');
    queue.add('normal');
    queue.addWithOptions({ priority: 10 }, 'high');
    expect(queue.tryGet()).toMatchObject({ key: 'high', priority: 10 });
    expect(drain()).toEqual(['normal', 'low1', 'low2']);
  });

  it('raises a key to the end of its new priority, and never lowers one', () => {
    const { queue, drain } = setup();
    queue.addWithOptions({ priority: -100 }, 'first');
    queue.add('second');
    queue.add('first');
    queue.addWithOptions({ priority: -100 }, 'second');
    expect(drain()).toEqual(['second', 'first']);
  });

  it('keeps a key that is out from being handed out again until done', () => {
    const { queue } = setup();
    queue.add('a');
    queue.tryGet();
    queue.add('a');
    queue.addWithOptions({ priority: 5 }, 'a');
    queue.add('b');
    expect(queue.len).toBe(2);
    expect(queue.tryGet()?.key).toBe('b');
    expect(queue.tryGet()).toBeUndefined();
    queue.done('a');
    expect(queue.tryGet()).toMatchObject({ key: 'a', priority: 5 });
    queue.done('a');
    expect(queue.tryGet()).toBeUndefined();
  });

  it('holds a delayed key back and sorts it by when it became ready', () => {
    const { clock, queue, drain } = setup();
    queue.addWithOptions({ afterMs: 100 }, 'late');
    queue.addWithOptions({ afterMs: 50 }, 'early');
    queue.add('now');
    expect(queue.len).toBe(1);
    expect(drain()).toEqual(['now']);
    clock.advance(49);
    expect(queue.tryGet()).toBeUndefined();
    clock.advance(1);
    expect(queue.tryGet()?.key).toBe('early');
    clock.advance(50);
    expect(queue.tryGet()?.key).toBe('late');
    expect(clock.pendingTimers).toBe(0);
  });

  it('merges to the earlier ready time', () => {
    const { clock, queue } = setup();
    queue.addWithOptions({ afterMs: 100 }, 'a', 'b');
    queue.addWithOptions({ afterMs: 20 }, 'a');
    queue.addWithOptions({ afterMs: 500 }, 'a');
    queue.add('b');
    queue.addWithOptions({ afterMs: 500 }, 'b');
    expect(queue.tryGet()?.key).toBe('b');
    clock.advance(20);
    expect(queue.tryGet()?.key).toBe('a');
    clock.advance(1_000);
    expect(queue.len).toBe(0);
  });

  it('delays rate-limited adds by the key’s failures until it is forgotten', () => {
    const { clock, queue } = setup();
    const fail = () => queue.addWithOptions({ rateLimited: true }, 'a');
    const waitMs = () => {
      for (let ms = 0; ; ms++) {
        if (queue.tryGet()) {
          queue.done('a');
          return ms;
        }
        clock.advance(1);
      }
    };
    const waits = [1, 2, 3].map(() => {
      fail();
      return waitMs();
    });
    expect(waits).toEqual([5, 10, 20]);
    expect(queue.numRequeues('a')).toBe(3);
    queue.forget('a');
    fail();
    expect(waitMs()).toBe(5);
  });

  it('lets afterMs shorten a rate-limited wait', () => {
    const { clock, queue } = setup();
    queue.addWithOptions({ rateLimited: true, afterMs: 2 }, 'a');
    clock.advance(2);
    expect(queue.tryGet()?.key).toBe('a');
  });

  it('wakes those who wait in get, in their order, also by a delay passing and by done', async () => {
    const { clock, queue } = setup();
    const got = [queue.get(), queue.get(), queue.get()];
    queue.add('a');
    queue.add('a');
    queue.addWithOptions({ afterMs: 5 }, 'b');
    expect((await got[0])?.key).toBe('a');
    clock.advance(5);
    expect((await got[1])?.key).toBe('b');
    queue.done('a');
    expect((await got[2])?.key).toBe('a');
  });

  it('gives undefined to everyone once shut down, and takes nothing more', async () => {
    const { clock, queue } = setup();
    const waiting = queue.get();
    queue.addWithOptions({ afterMs: 10 }, 'later');
    queue.shutDown();
    queue.add('a');
    expect([await waiting, await queue.get(), queue.tryGet(), queue.len]).toEqual([undefined, undefined, undefined, 0]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('drains what is ready or out before it ends, and drops what waits for its time', async () => {
    const { queue } = setup();
    queue.add('a');
    queue.tryGet();
    queue.add('a');
    queue.add('b');
    queue.addWithOptions({ afterMs: 10 }, 'later');
    let drained = false;
    const drain = queue.shutDownWithDrain().then(() => {
      drained = true;
    });
    queue.add('c');
    expect((await queue.get())?.key).toBe('b');
    const last = queue.get();
    queue.done('b');
    queue.done('a');
    expect((await last)?.key).toBe('a');
    await Promise.resolve();
    expect(drained).toBe(false);
    const after = queue.get();
    queue.done('a');
    await drain;
    expect(await after).toBeUndefined();
  });

  it('ends a drain at once when there is nothing to do', async () => {
    await setup().queue.shutDownWithDrain();
  });

  it('sorts a hundred thousand keys', () => {
    const { queue, drain } = setup();
    const count = 100_000;
    for (let n = 0; n < count; n++) queue.addWithOptions({ priority: n % 3 }, `k${n}`);
    for (let n = 0; n < count; n++) queue.addWithOptions({ priority: 3 }, `k${(n * 7919) % count}`);
    const expected = Array.from({ length: count }, (_, n) => `k${(n * 7919) % count}`);
    expect(drain().join() === expected.join()).toBe(true);
  });
});

describe('WorkQueue metrics', () => {
  it('have client-go’s names and meaning', async () => {
    const registry = new Registry();
    const clock = new FakeClock();
    const queue = new WorkQueue({ name: 'q', clock, registry });
    const value = async (name: string, labels: Record<string, string> = {}) => {
      const metric = (await registry.getMetricsAsJSON()).find((candidate) => name.startsWith(candidate.name));
      const wanted = Object.entries({ name: 'q', controller: 'q', ...labels });
      return metric?.values.find(
        (sample) =>
          ((sample as { metricName?: string }).metricName ?? metric.name) === name &&
          wanted.every(([label, content]) => sample.labels[label] === content),
      )?.value;
    };
    queue.add('a');
    queue.addWithOptions({ priority: -100 }, 'b', 'c');
    queue.addWithOptions({ rateLimited: true }, 'd');
    expect(await value('workqueue_adds_total')).toBe(3);
    expect(await value('workqueue_retries_total')).toBe(1);
    expect(await value('workqueue_depth', { priority: '0' })).toBe(1);
    expect(await value('workqueue_depth', { priority: '-100' })).toBe(2);
    queue.add('b');
    expect(await value('workqueue_depth', { priority: '-100' })).toBe(1);
    clock.advance(2_000);
    expect(await value('workqueue_adds_total')).toBe(4);
    queue.tryGet();
    expect(await value('workqueue_queue_duration_seconds_sum')).toBe(2);
    clock.advance(1_000);
    queue.tryGet();
    clock.advance(3_000);
    expect(await value('workqueue_unfinished_work_seconds')).toBe(7);
    expect(await value('workqueue_longest_running_processor_seconds')).toBe(4);
    queue.done('a');
    expect(await value('workqueue_work_duration_seconds_sum')).toBe(4);
    expect(await value('workqueue_unfinished_work_seconds')).toBe(3);
    queue.shutDown();
    expect(await value('workqueue_depth', { priority: '0' })).toBe(0);
  });

  it('bound the number of priority labels', async () => {
    const registry = new Registry();
    const queue = new WorkQueue({ name: 'q', registry });
    for (let priority = 0; priority < 40; priority++) queue.addWithOptions({ priority }, `k${priority}`);
    const depth = (await registry.getMetricsAsJSON()).find((metric) => metric.name === 'workqueue_depth');
    expect(depth?.values).toHaveLength(26);
    expect(depth?.values.find((sample) => sample.labels.priority === 'exceeded_cardinality_limit')?.value).toBe(15);
  });
});
