import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FakeClock, settle } from '../testing/fake-clock.ts';
import { hang, MemoryLeases } from '../testing/memory-leases.ts';
import { LeaderElector } from './leader-elector.ts';
import type { LeaseApi } from './lease.ts';

/** How a candidate's connection is: whole, silent, refused, or such that requests arrive and answers do not. */
const connection = fc.constantFrom('whole', 'whole', 'whole', 'silent', 'refused', 'answers lost');

const candidates = 3;
const stepMs = 500;

function createCandidate(leases: MemoryLeases, identity: string, aheadMs: number) {
  const clock = new FakeClock(Date.UTC(2026, 0, 1) + aheadMs);
  const state = { connection: 'whole' };
  const inner = leases.api((_, signal) => {
    if (state.connection === 'silent') return hang(signal);
    if (state.connection === 'refused') throw new Error('connection refused');
    return undefined;
  });
  const lost = async <T>(answer: Promise<T>, signal: AbortSignal): Promise<T> => {
    const value = await answer;
    return state.connection === 'answers lost' ? hang(signal) : value;
  };
  const api: LeaseApi = {
    get: (namespace, name, signal) => lost(inner.get(namespace, name, signal), signal),
    create: (lease, signal) => lost(inner.create(lease, signal), signal),
    update: (lease, signal) => lost(inner.update(lease, signal), signal),
  };
  const elector = new LeaderElector({ api, namespace: 'ns', name: 'op', identity, clock, random: () => 0.5 });
  const stop = new AbortController();
  const campaign = async () => {
    while ((await elector.run(stop.signal, { onStartedLeading() {} })).type === 'lost');
  };
  return { clock, state, elector, stop, run: campaign() };
}

const step = fc.record({
  connections: fc.array(connection, { minLength: candidates, maxLength: candidates }),
  // A candidate whose process stands still: its timers are late, its clock is not.
  asleep: fc.option(fc.nat(candidates - 1), { nil: undefined, freq: 4 }),
  steps: fc.integer({ min: 1, max: 60 }),
});

it('never has two leaders, whatever connections, clocks and processes do, and has one again when all is well', async () => {
  const skews = fc.array(fc.integer({ min: -3_600_000, max: 3_600_000 }), { minLength: candidates, maxLength: candidates });
  await fc.assert(
    fc.asyncProperty(skews, fc.array(step, { minLength: 1, maxLength: 6 }), async (aheadMs, history) => {
      const leases = new MemoryLeases();
      const all = aheadMs.map((ms, at) => createCandidate(leases, `candidate-${at}`, ms));
      /** Who acts as the leader: whose process stands still does nothing, and asks before it does something. */
      const leaders = (asleep?: number) => all.filter(({ elector }, at) => at !== asleep && elector.isLeading);
      const advance = async (steps: number, asleep?: number) => {
        for (let at = 0; at < steps; at++) {
          for (const [index, { clock }] of all.entries()) {
            if (index !== asleep) await clock.advanceAsync(stepMs);
            expect(leaders(asleep).length).toBeLessThanOrEqual(1);
          }
        }
        if (asleep !== undefined) all[asleep]!.clock.advance(steps * stepMs);
        expect(leaders().length).toBeLessThanOrEqual(1);
        await settle();
        expect(leaders().length).toBeLessThanOrEqual(1);
      };
      for (const { connections, asleep, steps } of history) {
        for (const [index, { state }] of all.entries()) state.connection = connections[index]!;
        await advance(steps, asleep);
      }
      for (const { state } of all) state.connection = 'whole';
      await advance(60);
      expect(leaders()).toHaveLength(1);
      for (const { stop } of all) stop.abort();
      await Promise.all(all.map(({ run }) => run));
    }),
    { numRuns: 30 },
  );
});
