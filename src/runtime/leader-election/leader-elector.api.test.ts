import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { Cache } from '../cache/cache.ts';
import { Client } from '../client/client.ts';
import { describeApi } from '../testing/describe-api.ts';
import { eventually } from '../testing/eventually.ts';
import { skewedClock } from '../testing/skewed-clock.ts';
import { clientLeaseApi } from './client-lease-api.ts';
import { LeaderElector, type TermEnd } from './leader-elector.ts';
import { leaseKind } from './lease.ts';

const hourMs = 3_600_000;
const program = join(import.meta.dirname, '..', 'testing', 'candidate.ts');

describeApi('leader election on an API server', (env) => {
  const children: ChildProcess[] = [];
  const stops: AbortController[] = [];
  const runs: Promise<TermEnd>[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop.abort();
    await Promise.all(runs.splice(0));
    for (const child of children.splice(0)) if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
  });

  const client = () => new Client({ rest: env().rest, cache: new Cache() });

  async function startChild(identity: string, aheadMs: number): Promise<ChildProcess> {
    const child = spawn(process.execPath, [program, env().kubeConfigFile, identity, String(aheadMs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [line] = await once(createInterface(child.stdout!), 'line');
    expect(line).toBe('leading');
    return child;
  }

  function enter(name: string, identity: string, aheadMs = 0) {
    const elector = new LeaderElector({
      api: clientLeaseApi(client()),
      namespace: 'default',
      name,
      identity,
      leaseDurationMs: 3_000,
      renewDeadlineMs: 2_000,
      retryPeriodMs: 250,
      clock: skewedClock(aheadMs),
    });
    const stop = new AbortController();
    stops.push(stop);
    let leading: AbortSignal | undefined;
    const run = elector.run(stop.signal, {
      onStartedLeading: (signal) => {
        leading = signal;
      },
    });
    runs.push(run);
    return { elector, stop, run, leading: () => leading };
  }

  /** Resolves when the lease has been renewed for longer than it lasts. */
  async function renewedPastItsEnd(name: string): Promise<void> {
    const read = () => client().getLive(leaseKind, `default/${name}`);
    const before = Number((await read())!.metadata.resourceVersion);
    await eventually(async () => expect(Number((await read())!.metadata.resourceVersion)).toBeGreaterThan(before + 15));
  }

  it('replaces a leader that was killed, whose clock was an hour ahead', async () => {
    const child = await startChild('child', hourMs);
    const follower = enter('candidates', 'follower');
    await eventually(() => expect(follower.elector.leader).toBe('child'));
    await renewedPastItsEnd('candidates');
    expect(follower.elector.isLeading).toBe(false);
    child.kill('SIGKILL');
    await eventually(() => expect(follower.elector.isLeading).toBe(true));
    const { spec } = (await client().getLive(leaseKind, 'default/candidates'))!;
    expect(spec).toMatchObject({ holderIdentity: 'follower', leaseTransitions: 1, leaseDurationSeconds: 3 });
  });

  it('keeps a leader whose clock is an hour behind, until it ends without a word', async () => {
    const behind = enter('behind', 'behind', -hourMs);
    await eventually(() => expect(behind.elector.isLeading).toBe(true));
    const follower = enter('behind', 'follower');
    await renewedPastItsEnd('behind');
    expect([behind.elector.isLeading, follower.elector.isLeading]).toEqual([true, false]);
    behind.stop.abort();
    await eventually(() => expect(follower.elector.isLeading).toBe(true));
  });

  it('has one leader among many who start at once, and another as soon as it releases', async () => {
    const candidates = ['a', 'b', 'c', 'd'].map((identity) => enter('many', identity));
    const leaders = () => candidates.filter(({ elector }) => elector.isLeading);
    await eventually(() => expect(leaders()).toHaveLength(1));
    const [first] = leaders();
    await eventually(() => expect(candidates.every(({ elector }) => elector.leader === first!.elector.identity)).toBe(true));
    first!.stop.abort();
    expect(await first!.run).toEqual({ type: 'stopped' });
    expect(leaders()).toEqual([]);
    expect(await first!.elector.release()).toBe(true);
    await eventually(() => expect(leaders()).toHaveLength(1));
  });

  it('stops leading when the API server hangs, and can lead again when it answers', async () => {
    const candidate = enter('hanging', 'a');
    await eventually(() => expect(candidate.elector.isLeading).toBe(true));
    env().pauseApiServer();
    try {
      expect(await candidate.run).toMatchObject({ type: 'lost', error: { message: 'not renewed within 2000 ms' } });
      expect(candidate.leading()!.aborted).toBe(true);
    } finally {
      env().resumeApiServer();
    }
    const again = enter('hanging', 'a');
    await eventually(() => expect(again.elector.isLeading).toBe(true));
  });
});
