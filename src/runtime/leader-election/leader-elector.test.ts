import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock, settle } from '../testing/fake-clock.ts';
import { hang, MemoryLeases } from '../testing/memory-leases.ts';
import { LeaderElector, type LeaderElectorOptions, type TermEnd } from './leader-elector.ts';
import type { LeaseApi } from './lease.ts';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function candidate(identity: string, api: LeaseApi, clock: FakeClock, options: Partial<LeaderElectorOptions> = {}) {
  const elector = new LeaderElector({ api, namespace: 'ns', name: 'op', identity, clock, random: () => 0, ...options });
  const stop = new AbortController();
  stops.push(stop);
  const seen: string[] = [];
  let leading: AbortSignal | undefined;
  let end: TermEnd | undefined;
  const run = () => {
    end = undefined;
    return elector
      .run(stop.signal, {
        onStartedLeading: (signal) => {
          leading = signal;
        },
        onNewLeader: (leader) => seen.push(leader),
      })
      .then((value) => {
        end = value;
      });
  };
  return {
    elector,
    stop,
    seen,
    run,
    get end() {
      return end;
    },
    get leading() {
      return leading;
    },
  };
}

describe('leader elector', () => {
  it('creates the lease, leads and renews it', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    const registry = new Registry();
    const a = candidate('a', leases.api(), clock, { registry, labels: { team: 'a' } });
    expect(await registry.metrics()).toContain('leader_election_master_status{name="op"} 0');
    void a.run();
    await settle();
    expect(a.elector.isLeading).toBe(true);
    expect(a.seen).toEqual(['a']);
    expect(leases.read('ns/op')).toMatchObject({
      metadata: { labels: { team: 'a' } },
      spec: {
        holderIdentity: 'a',
        leaseDurationSeconds: 15,
        leaseTransitions: 0,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        renewTime: '2026-01-01T00:00:00.000000Z',
      },
    });
    await clock.advanceAsync(60_000);
    expect(a.elector.isLeading).toBe(true);
    expect(leases.read('ns/op')!.spec).toMatchObject({
      leaseTransitions: 0,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:01:00.000000Z',
    });
    expect(await registry.metrics()).toContain('leader_election_master_status{name="op"} 1');
    a.stop.abort();
    await settle();
    expect(a.end).toEqual({ type: 'stopped' });
    expect(a.leading!.aborted).toBe(true);
    expect(a.elector.isLeading).toBe(false);
    expect(await registry.metrics()).toContain('leader_election_master_status{name="op"} 0');
    expect(clock.pendingTimers).toBe(0);
  });

  it('is replaced after the lease by one that waits for its own observation, whatever the clocks say', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    // Its wall clock is an hour ahead: by it every renewal of the other is long past.
    const ahead = new FakeClock(clock.now() + 3_600_000);
    const [a, b] = [candidate('a', leases.api(), clock), candidate('b', leases.api(), ahead)];
    const advance = async (ms: number) => {
      for (let at = 0; at < ms; at += 500) await Promise.all([clock.advanceAsync(500), ahead.advanceAsync(500)]);
    };
    void a.run();
    await settle();
    void b.run();
    await advance(120_000);
    expect([a.elector.isLeading, b.elector.isLeading]).toEqual([true, false]);
    a.stop.abort();
    await settle();
    await advance(14_500);
    expect(b.elector.isLeading).toBe(false);
    await advance(5_000);
    expect(b.elector.isLeading).toBe(true);
    expect(b.seen).toEqual(['a', 'b']);
    expect(leases.read('ns/op')!.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });

  it('leads at once after a release', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    const [a, b] = [candidate('a', leases.api(), clock), candidate('b', leases.api(), clock)];
    void a.run();
    await settle();
    void b.run();
    a.stop.abort();
    await settle();
    expect(await a.elector.release()).toBe(true);
    expect(leases.read('ns/op')!.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
    await clock.advanceAsync(2_000);
    expect(b.elector.isLeading).toBe(true);
  });

  it('does not release what another holds, and gives up on a server that does not answer', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    let down = false;
    const a = candidate(
      'a',
      leases.api((_, signal) => (down ? hang(signal) : undefined)),
      clock,
    );
    void a.run();
    await settle();
    a.stop.abort();
    await settle();
    const other = leases.read('ns/op')!;
    leases.write({ ...other, spec: { ...other.spec, holderIdentity: 'b' } });
    expect(await a.elector.release()).toBe(true);
    expect(leases.read('ns/op')!.spec!.holderIdentity).toBe('b');
    down = true;
    const released = a.elector.release();
    await clock.advanceAsync(15_000);
    expect(await released).toBe(false);
  });

  it('releases over a conflict with a renewal that was cut off', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    let conflicts = 0;
    const a = candidate(
      'a',
      leases.api((call) => {
        if (call === 'update' && conflicts-- > 0) leases.write(leases.read('ns/op')!);
      }),
      clock,
    );
    void a.run();
    await settle();
    a.stop.abort();
    await settle();
    conflicts = 1;
    expect(await a.elector.release()).toBe(true);
    expect(leases.read('ns/op')!.spec!.holderIdentity).toBe('');
  });

  it.each(['hangs', 'fails'])(
    'stops leading when the renew deadline passes and the server %s, before the lease ends',
    async (how) => {
      const leases = new MemoryLeases();
      const clock = new FakeClock();
      let down = false;
      const fault = (_: string, signal: AbortSignal) => {
        if (down && how === 'hangs') return hang(signal);
        if (down) throw new Error('connection refused');
        return undefined;
      };
      const [a, b] = [candidate('a', leases.api(fault), clock), candidate('b', leases.api(), clock)];
      void a.run();
      await settle();
      void b.run();
      await clock.advanceAsync(60_000);
      down = true;
      for (let ms = 0; ms < 30_000; ms += 100) {
        await clock.advanceAsync(100);
        expect([a.elector.isLeading, b.elector.isLeading]).not.toEqual([true, true]);
        if (a.leading!.aborted) break;
      }
      expect(a.leading!.reason).toMatchObject({ name: 'LeaderElectionLostError', message: 'not renewed within 10000 ms' });
      expect(a.end).toMatchObject({ type: 'lost' });
      expect(b.elector.isLeading).toBe(false);
      await clock.advanceAsync(10_000);
      expect(b.elector.isLeading).toBe(true);
      down = false;
      void a.run();
      await clock.advanceAsync(30_000);
      expect([a.elector.isLeading, b.elector.isLeading]).toEqual([false, true]);
    },
  );

  it('does not lead after a sleep of the process, before any event has told it so', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    const a = candidate('a', leases.api(), clock);
    void a.run();
    await settle();
    clock.advance(10_000);
    expect(a.elector.isLeading).toBe(false);
    await clock.advanceAsync(1);
    expect(a.end).toMatchObject({ type: 'lost' });
  });

  it('stops leading at once when another holds the lease', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    const a = candidate('a', leases.api(), clock);
    void a.run();
    await settle();
    const taken = leases.read('ns/op')!;
    leases.write({ ...taken, spec: { ...taken.spec, holderIdentity: 'thief', renewTime: 'now' } });
    await clock.advanceAsync(2_000);
    expect(a.end).toMatchObject({ type: 'lost', error: { message: 'the lease was taken by thief' } });
  });

  it('goes on leading over a deleted lease and over a change of its labels', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    const registry = new Registry();
    const a = candidate('a', leases.api(), clock, { registry });
    void a.run();
    await settle();
    const labelled = leases.read('ns/op')!;
    leases.write({ ...labelled, metadata: { ...labelled.metadata, labels: { by: 'hand' } } });
    await clock.advanceAsync(20_000);
    expect(a.elector.isLeading).toBe(true);
    expect(leases.read('ns/op')!.metadata.labels).toEqual({ by: 'hand' });
    expect(await registry.metrics()).toContain('leader_election_slowpath_total{name="op"} 1');
  });

  it('takes no lease of a holder that only its duration speaks for', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    leases.write({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: 'ns', name: 'op' },
      spec: { holderIdentity: 'old', leaseDurationSeconds: 40, renewTime: '1999-01-01T00:00:00.000000Z', leaseTransitions: 7 },
    });
    const a = candidate('a', leases.api(), clock);
    void a.run();
    await clock.advanceAsync(39_000);
    expect(a.elector.isLeading).toBe(false);
    await clock.advanceAsync(3_000);
    expect(a.elector.isLeading).toBe(true);
    expect(leases.read('ns/op')!.spec!.leaseTransitions).toBe(8);
  });

  it('keeps what it won while it was told to stop, for release', async () => {
    const leases = new MemoryLeases();
    const clock = new FakeClock();
    const a = candidate(
      'a',
      leases.api((call) => {
        if (call === 'create') queueMicrotask(() => a.stop.abort());
      }),
      clock,
    );
    await a.run();
    expect(a.end).toEqual({ type: 'stopped' });
    expect(a.leading).toBeUndefined();
    expect(a.elector.isLeading).toBe(false);
  });

  it.each([
    [{ identity: '' }, 'identity is empty'],
    [{ leaseDurationMs: 10_000 }, 'leaseDurationMs 10000 must be above renewDeadlineMs 10000'],
    [{ retryPeriodMs: 9_000 }, 'renewDeadlineMs 10000 must be above 1.2 times retryPeriodMs 9000'],
    [{ retryPeriodMs: 0 }, 'retryPeriodMs must be above 0'],
  ])('refuses %j', (options, message) => {
    expect(() => candidate('a', new MemoryLeases().api(), new FakeClock(), options)).toThrow(message);
  });
});
