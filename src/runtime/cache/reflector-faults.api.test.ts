import { afterEach, expect, it } from 'vitest';
import type { ActiveFault, ProxiedRequest } from '../testenv/fault.ts';
import { describeApi } from '../testing/describe-api.ts';
import { eventually } from '../testing/eventually.ts';
import { widgetCrd } from '../testing/kubernetes-kinds.ts';
import { createReflectorWorld, type ReflectorWorld } from '../testing/reflector-world.ts';

const lists = ({ verb }: ProxiedRequest) => verb === 'list';
const watches = ({ verb }: ProxiedRequest) => verb === 'watch';

describeApi(
  'Reflector behind a faulty connection',
  (env) => {
    let world: ReflectorWorld;
    let worlds = 0;
    const create = async (options: Parameters<typeof createReflectorWorld>[2] = {}) => {
      world = await createReflectorWorld(env(), `faults-${++worlds}`, options);
      return world;
    };
    afterEach(() => world.stop());

    it('follows changes without listing again', async () => {
      const { reflector, events } = await create();
      await world.write('a', '1');
      await world.start();
      await world.write('b', '1');
      await world.write('a', '2');
      await world.remove('b');
      await eventually(() => expect(events).toEqual(['create a', 'create b', 'update a', 'delete b']));
      await world.settle();
      expect(reflector.status()).toMatchObject({ phase: 'watching', lists: 1, watches: 1, problem: undefined });
    });

    it('reads a list in pages', async () => {
      const { proxy, store } = await create({ pageSize: 2 });
      for (const name of ['a', 'b', 'c', 'd', 'e']) await world.write(name, '1');
      const pages = proxy.inject({ type: 'latency', delayMs: 0, match: lists });
      await world.start();
      expect(store.size).toBe(5);
      expect(pages.hits).toBe(3);
    });

    it('lists from the start when the continue token expires, and in one piece when that happens again', async () => {
      const { proxy, store, reflector } = await create({ pageSize: 1 });
      for (const name of ['a', 'b', 'c']) await world.write(name, '1');
      const expired = proxy.inject({ type: 'status', status: 410, match: ({ url }) => url.includes('continue=') });
      await world.start();
      expect(expired.hits).toBe(2);
      expect(store.size).toBe(3);
      expect(reflector.status().lists).toBe(1);
    });

    it('asks for pages again after it was not permitted to list for a while', async () => {
      const { proxy, reflector } = await create({ pageSize: 1 });
      for (const name of ['a', 'b', 'c']) await world.write(name, '1');
      const forbidden = proxy.inject({ type: 'status', status: 403, match: lists });
      await world.start({ synced: false });
      await eventually(() => expect(forbidden.hits).toBeGreaterThan(2));
      const pages = proxy.inject({ type: 'latency', delayMs: 0, match: ({ url }) => url.includes('continue=') });
      forbidden.remove();
      await eventually(() => expect(reflector.status().phase).toBe('watching'));
      expect(pages.hits).toBe(2);
    });

    it.each([
      ['410', { type: 'status', status: 410 }],
      ['429', { type: 'status', status: 429, retryAfterSeconds: 1 }],
      ['500', { type: 'status', status: 500 }],
      ['503', { type: 'status', status: 503 }],
      ['a reset connection', { type: 'reset' }],
      ['no answer', { type: 'hang' }],
    ] as const)('gets its first list in spite of %s', async (_, fault) => {
      const { proxy } = await create({ listTimeoutMs: 200 });
      await world.write('a', '1');
      const active = proxy.inject({ ...fault, match: lists, times: 2 });
      await world.start();
      await world.settle();
      expect(active.hits).toBe(2);
    });

    it.each([
      ['410', { type: 'status', status: 410 }],
      ['429', { type: 'status', status: 429, retryAfterSeconds: 1 }],
      ['500', { type: 'status', status: 500 }],
      ['504', { type: 'status', status: 504 }],
      ['a reset connection', { type: 'reset' }],
      ['no answer', { type: 'hang' }],
    ] as const)('finds what happened in the gap when its watch breaks and the next one meets %s', async (_, fault) => {
      const { proxy, events } = await create();
      await world.write('gone', '1');
      await world.write('changed', '1');
      await world.start();
      const active = proxy.inject({ ...fault, match: watches });
      proxy.cutWatches();
      await eventually(() => expect(active.hits).toBeGreaterThan(0));
      await world.remove('gone');
      await world.write('changed', '2');
      await world.write('new', '1');
      active.remove();
      await world.settle();
      expect(events.filter((event) => event.includes('gone'))).toHaveLength(2);
      await world.write('after', '1');
      await eventually(() => expect(events.at(-1)).toBe('create after'));
    });

    it('does not ask again before the time that a busy API server names', async () => {
      const { proxy, reflector } = await create();
      await world.start();
      const busy = proxy.inject({ type: 'status', status: 429, retryAfterSeconds: 60, match: watches, times: 1 });
      const retried = proxy.inject({ type: 'latency', delayMs: 0, match: watches });
      proxy.cutWatches();
      await eventually(() => expect(reflector.status().problem).toContain('429'));
      // Three times the longest wait of its own.
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect([busy.hits, retried.hits, reflector.status().phase]).toEqual([1, 0, 'waiting']);
    });

    it('tells of a delete that it missed as one whose last state is unknown', async () => {
      const { proxy, events } = await create();
      await world.write('a', '1');
      await world.start();
      const lost = proxy.inject({ type: 'lose', event: 'DELETED' });
      await world.remove('a');
      await eventually(() => expect(lost.hits).toBe(1));
      expect(events).toEqual(['create a']);
      proxy.heal();
      proxy.inject({ type: 'status', status: 410, match: watches, times: 1 });
      proxy.cutWatches();
      await world.settle();
      expect(events).toEqual(['create a', 'delete a unknown']);
    });

    it('lists anew when the watch says that it has expired', async () => {
      const { proxy, events, reflector } = await create();
      await world.start();
      const expired = proxy.inject({ type: 'expire', times: 1 });
      await world.write('a', '1');
      await world.settle();
      expect(expired.hits).toBe(1);
      expect(events).toEqual(['create a']);
      expect(reflector.status().lists).toBe(2);
    });

    it('gets an event that was cut in the middle by resuming, without a list', async () => {
      const { proxy, events, reflector } = await create();
      await world.write('a', '1');
      await world.start();
      const cut = proxy.inject({ type: 'cut', times: 2 });
      await world.write('a', 'später – 後で 🕑');
      await world.write('b', '2');
      await world.settle();
      expect(cut.hits).toBe(2);
      expect(events).toEqual(['create a', 'update a', 'create b']);
      expect(reflector.status().lists).toBe(1);
    });

    it('leaves a watch on which nothing comes any more', async () => {
      const { proxy, reflector } = await create({ silenceMs: 300 });
      await world.start();
      const stalled = proxy.inject({ type: 'stall', times: 1 });
      await world.write('a', '1');
      await eventually(() => expect(stalled.hits).toBe(1));
      await world.settle();
      expect(reflector.status().lists).toBe(1);
    });

    it('renews its watch in time, and leaves one that the API server does not end', async () => {
      const { proxy, reflector } = await create({ watchTimeoutMs: 1_000, graceMs: 200 });
      await world.start();
      await eventually(() => expect(reflector.status().watches).toBeGreaterThan(1));
      proxy.inject({ type: 'stall', times: 1 });
      await world.write('a', '1');
      await world.settle();
      expect(reflector.status().lists).toBe(1);
    });

    it('keeps its peace with a slow connection', async () => {
      const { proxy, events } = await create({ pageSize: 1 });
      for (const name of ['a', 'b']) await world.write(name, '1');
      proxy.inject({ type: 'latency', delayMs: 50 });
      await world.start();
      await world.write('c', '1');
      await world.settle();
      expect(events.sort()).toEqual(['create a', 'create b', 'create c']);
    });

    it('equals a fresh list after many changes and faults in any order', async () => {
      const { proxy } = await create({ pageSize: 3, silenceMs: 300, watchTimeoutMs: 1_000, graceMs: 200, listTimeoutMs: 200 });
      await world.start();
      const random = seeded(4);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const present = new Set<string>();
      let hits = 0;
      for (let round = 0; round < 8; round++) {
        const faults: ActiveFault[] = [];
        for (let step = 0; step < 20; step++) {
          if (random() < 0.3) {
            pick([
              () => proxy.cutWatches(),
              () => faults.push(proxy.inject({ type: 'status', status: pick([410, 429, 500, 503, 504]), times: 2 })),
              () => faults.push(proxy.inject({ type: pick(['hang', 'reset'] as const), times: 1 })),
              () => faults.push(proxy.inject({ type: pick(['cut', 'expire', 'stall', 'lose'] as const), times: 1 })),
            ])();
          }
          const name = `w${Math.floor(random() * 12)}`;
          if (present.delete(name)) {
            if (random() < 0.5) await world.remove(name);
            else await world.write(name, `${round}.${step}`, { kept: 'yes' }).then(() => present.add(name));
          } else {
            await world.write(name, `${round}.${step}`);
            present.add(name);
          }
          await new Promise((resolve) => setTimeout(resolve, random() * 30));
        }
        hits += faults.reduce((sum, fault) => sum + fault.hits, 0);
        proxy.heal();
        // What was lost on a live watch, only a list can find.
        proxy.inject({ type: 'status', status: 410, match: watches, times: 1 });
        proxy.cutWatches();
        await world.settle();
      }
      expect(hits).toBeGreaterThan(10);
      expect(world.store.size).toBe(present.size);
    });
  },
  { crds: [widgetCrd] },
);

/** The same numbers in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
