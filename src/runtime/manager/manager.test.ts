import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { Cache } from '../cache/cache.ts';
import { Controller } from '../controller.ts';
import { silentLogger } from '../logger.ts';
import { reconcilerOf } from '../reconciler.ts';
import type { RunnableGroupName } from '../runnable.ts';
import { FakeClock, settle } from '../testing/fake-clock.ts';
import { unreachableKubeConfig } from '../testing/kube-config.ts';
import { hang, MemoryLeases } from '../testing/memory-leases.ts';
import { widgetKind } from '../testing/objects.ts';
import { RecordingRunnable, type RunnableJournal } from '../testing/runnables.ts';
import { Manager } from './manager.ts';
import type { ManagerOptions } from './manager-options.ts';

const loopback = { host: '127.0.0.1', port: 0 };

function createManager(options: ManagerOptions = {}) {
  const clock = new FakeClock();
  const journal: RunnableJournal = [];
  const manager = new Manager({
    kubeConfig: unreachableKubeConfig(),
    logger: silentLogger,
    clock,
    metricsBind: false,
    healthProbeBind: false,
    processMetrics: false,
    ...options,
  });
  const add = (name: string, group: RunnableGroupName, runnableOptions?: { held?: boolean; ready?: boolean }) => {
    const runnable = new RecordingRunnable(name, group, journal, runnableOptions);
    manager.add(runnable);
    return runnable;
  };
  return { manager, clock, journal, add };
}

const groups = ['leader', 'everyReplica', 'cache', 'webhook', 'server'] as const;

describe('manager', () => {
  it('starts group by group, each when the one before is ready, and stops in controller-runtime’s order', async () => {
    const { manager, journal, add } = createManager();
    for (const group of groups) if (group !== 'cache') add(group, group);
    const cache = add('cache', 'cache', { ready: false });
    const stop = new AbortController();
    const run = manager.start(stop.signal);
    await settle();
    expect(journal).toEqual(['start server', 'start webhook', 'start cache']);
    cache.becomeReady();
    await manager.elected;
    await settle();
    expect(journal.slice(3)).toEqual(['start everyReplica', 'start leader']);
    expect(manager.isLeading).toBe(true);
    add('late', 'everyReplica');
    expect(journal.at(-1)).toBe('start late');
    stop.abort();
    await run;
    expect(journal.slice(6)).toEqual([
      'stop everyReplica',
      'stop late',
      'stop leader',
      'stop cache',
      'stop webhook',
      'stop server',
    ]);
    expect(() => add('too late', 'leader')).toThrow('takes no more runnables');
    await expect(manager.start()).rejects.toThrow('make a new one');
  });

  it('stops while a cache is not ready yet, and starts nothing when it was stopped before', async () => {
    const waiting = createManager();
    waiting.add('cache', 'cache', { ready: false });
    waiting.add('leader', 'leader');
    const run = waiting.manager.start();
    await settle();
    waiting.manager.stop();
    await run;
    expect(waiting.journal).toEqual(['start cache', 'stop cache']);
    const stopped = createManager();
    stopped.add('cache', 'cache');
    await stopped.manager.start(AbortSignal.abort());
    expect(stopped.journal).toEqual([]);
  });

  it.each(groups)('ends with the first error of a runnable of %s, in order all the same', async (group) => {
    const { manager, journal, add } = createManager();
    for (const other of groups) if (other !== group) add(other, other);
    const failing = add(group, group, { ready: false });
    const run = manager.start();
    await settle();
    failing.end(new Error('broken'));
    await expect(run).rejects.toThrow(`${group} failed: broken`);
    const stops = journal.filter((line) => line.startsWith('stop '));
    const order = ['stop everyReplica', 'stop leader', 'stop cache', 'stop webhook', 'stop server'];
    expect(stops).toEqual(order.filter((line) => stops.includes(line)));
    expect(stops).toHaveLength(journal.filter((line) => line.startsWith('start ')).length - 1);
  });

  it('says who did not end within 30 s, having told everyone', async () => {
    const { manager, clock, journal, add } = createManager();
    const held = add('stubborn', 'everyReplica', { held: true });
    add('server', 'server');
    const run = manager.start();
    await settle();
    manager.stop();
    const ended = expect(run).rejects.toThrow('did not end within 30000 ms of the stop: stubborn');
    await clock.advanceAsync(29_999);
    expect(journal).not.toContain('stop server');
    await clock.advanceAsync(1);
    await ended;
    expect(journal).toContain('stop server');
    held.end();
    expect(clock.pendingTimers).toBe(0);
  });

  it('waits for nobody with a grace of 0', async () => {
    const { manager, add } = createManager({ gracefulShutdownTimeoutMs: 0 });
    const held = add('stubborn', 'leader', { held: true });
    const run = manager.start();
    await settle();
    manager.stop();
    await run;
    held.end();
  });

  it('joins the first error with that of a late end', async () => {
    const { manager, clock, add } = createManager({ gracefulShutdownTimeoutMs: 100 });
    const held = add('stubborn', 'leader', { held: true });
    const failing = add('failing', 'everyReplica');
    const run = expect(manager.start()).rejects.toThrow(
      'failing failed: broken; did not end within 100 ms of the stop: stubborn',
    );
    await settle();
    failing.end(new Error('broken'));
    await clock.advanceAsync(100);
    await run;
    held.end();
  });

  it('runs init of a class that extends it, before anything starts, and fails with it', async () => {
    const journal: RunnableJournal = [];
    class Example extends Manager {
      protected override async init(): Promise<void> {
        this.logger.info('a message with fields', { field: 1 });
        journal.push('init');
        this.add(new RecordingRunnable('a', 'everyReplica', journal));
      }
    }
    const options = {
      kubeConfig: unreachableKubeConfig(),
      logger: silentLogger,
      metricsBind: false,
      healthProbeBind: false,
    } as const;
    const example = new Example(options);
    const run = example.start();
    await example.elected;
    example.stop();
    await run;
    expect(journal).toEqual(['init', 'start a', 'stop a']);
    class Broken extends Manager {
      protected override init(): Promise<void> {
        return Promise.reject(new Error('no CRDs'));
      }
    }
    await expect(new Broken(options).start()).rejects.toThrow('no CRDs');
  });

  it('refuses two controllers of one name', () => {
    const { manager } = createManager();
    const controller = () => new Controller({ name: 'widget', group: 'everyReplica', reconciler: reconcilerOf(() => ({})) });
    manager.add(controller());
    expect(() => manager.add(controller())).toThrow('a controller named widget exists already');
  });

  it('fills the cache with a kind once, and not with one that is filled already', () => {
    const { manager } = createManager();
    manager.sourceOf(widgetKind);
    manager.sourceOf(widgetKind);
    expect(() => manager.reflect({ kind: widgetKind })).toThrow('filled with widgets.example.com by a reflector');
  });

  it('fills the cache with a kind that got an index, or was looked for, before anything watched it', () => {
    const { manager } = createManager();
    manager.cache.store(widgetKind).addIndex('by value', ({ spec }) => [spec.value]);
    expect(manager.cache.find(widgetKind)!.source).toBeUndefined();
    manager.sourceOf(widgetKind);
    expect(manager.cache.find(widgetKind)!.source).toBe('a reflector of widgets.example.com');
  });

  it('leaves a kind to the source that fills the cache with it', () => {
    const cache = new Cache();
    const { manager } = createManager({ cache });
    cache.store(widgetKind).claim('another source');
    manager.sourceOf(widgetKind);
    expect(() => manager.reflect({ kind: widgetKind })).toThrow('by another source already');
  });

  it('serves probes and metrics from before the caches until the end', async () => {
    const registry = new Registry();
    const { manager, add } = createManager({ registry, metricsBind: loopback, healthProbeBind: loopback, processMetrics: true });
    let isReady = false;
    manager.addReadyzCheck('cache', () => {
      if (!isReady) throw new Error('cold');
    });
    manager.addMetricsPath('/debug', (url) => ({ body: url.search }));
    expect(() => manager.addMetricsPath('/metrics', () => undefined)).toThrow('is taken');
    add('cache', 'cache', { ready: false });
    const run = manager.start();
    await settle();
    while (!manager.healthProbeAddress || !manager.metricsAddress) await settle();
    const [probes, metrics] = [`http://${manager.healthProbeAddress}`, `http://${manager.metricsAddress}`];
    const get = async (url: string) => {
      const response = await fetch(url);
      return `${response.status} ${await response.text()}`;
    };
    expect(await get(`${probes}/healthz`)).toBe('200 ok');
    expect(await get(`${probes}/healthz/ping`)).toBe('200 ok');
    expect(await get(`${probes}/readyz`)).toBe('500 [-]cache failed: reason withheld\nhealthz check failed\n');
    isReady = true;
    expect(await get(`${probes}/readyz?verbose`)).toBe('200 [+]cache ok\nhealthz check passed\n');
    expect(await get(`${probes}/readyz/cache`)).toBe('200 ok');
    expect(await get(`${probes}/other`)).toBe('404 /other is not known here\n');
    expect(await get(`${metrics}/metrics`)).toContain('process_cpu_user_seconds_total');
    expect(await get(`${metrics}/debug?a=1`)).toBe('200 ?a=1');
    expect((await fetch(`${probes}/healthz`, { method: 'POST' })).status).toBe(405);
    manager.stop();
    await run;
    await expect(fetch(`${probes}/healthz`)).rejects.toThrow();
    expect(manager.healthProbeAddress).toBeUndefined();
  });

  it('says which server cannot have its port', async () => {
    const first = createManager({ metricsBind: loopback });
    const run = first.manager.start();
    while (!first.manager.metricsAddress) await settle();
    const port = Number(first.manager.metricsAddress.split(':')[1]);
    const second = createManager({ metricsBind: { host: '127.0.0.1', port } });
    await expect(second.manager.start()).rejects.toThrow(`metrics server failed: cannot listen on 127.0.0.1:${port}`);
    first.manager.stop();
    await run;
  });
});

describe('manager with leader election', () => {
  const election = { name: 'op', identity: 'a' };

  it('starts the leader’s runnables when elected, ends them before it gives the lease back', async () => {
    const leases = new MemoryLeases();
    const first = createManager({ leaderElection: { ...election, api: leases.api() } });
    const second = createManager({ leaderElection: { ...election, identity: 'b', api: leases.api() } });
    const held = first.add('leader', 'leader', { held: true });
    second.add('leader', 'leader');
    second.add('other', 'everyReplica');
    const [one, two] = [first.manager.start(), second.manager.start()];
    await settle();
    await second.clock.advanceAsync(5_000);
    expect([first.journal, second.journal]).toEqual([['start leader'], ['start other']]);
    expect(second.manager.leader).toBe('a');
    expect(leases.read('operators/op')!.spec!.holderIdentity).toBe('a');
    first.manager.stop();
    await first.clock.advanceAsync(20_000);
    expect(leases.read('operators/op')!.spec!.holderIdentity, 'renewed while the leader stops').toBe('a');
    held.end();
    await one;
    expect(leases.read('operators/op')!.spec!.holderIdentity).toBe('');
    await second.clock.advanceAsync(5_000);
    expect(second.journal).toEqual(['start other', 'start leader']);
    second.manager.stop();
    await two;
  });

  it('leads without an election until the leader’s runnables have ended', async () => {
    const { manager, add } = createManager();
    const held = add('leader', 'leader', { held: true });
    expect(manager.isLeading).toBe(false);
    const run = manager.start();
    await manager.elected;
    expect(manager.isLeading).toBe(true);
    manager.stop();
    await settle();
    expect(manager.isLeading).toBe(true);
    held.end();
    await run;
    expect(manager.isLeading).toBe(false);
  });

  it('keeps the lease of leader runnables that did not end', async () => {
    const leases = new MemoryLeases();
    const { manager, clock, add } = createManager({ leaderElection: { ...election, api: leases.api() } });
    const held = add('stubborn', 'leader', { held: true });
    const run = expect(manager.start()).rejects.toThrow('stubborn');
    await settle();
    manager.stop();
    await clock.advanceAsync(30_000);
    await run;
    expect(leases.read('operators/op')!.spec!.holderIdentity).toBe('a');
    held.end();
  });

  it('ends at once, waiting for nobody, when the lease is lost', async () => {
    const leases = new MemoryLeases();
    let down = false;
    const api = leases.api((_, signal) => (down ? hang(signal) : undefined));
    const { manager, clock, journal, add } = createManager({ leaderElection: { ...election, api } });
    const leader = add('leader', 'leader');
    const held = add('stubborn', 'everyReplica', { held: true });
    const run = expect(manager.start()).rejects.toMatchObject({
      name: 'LeaderElectionLostError',
      message: 'leader election lost: not renewed within 10000 ms',
    });
    await settle();
    down = true;
    await clock.advanceAsync(10_000);
    await run;
    expect(leader.signal!.aborted).toBe(true);
    expect(journal).toEqual(['start stubborn', 'start leader', 'stop leader']);
    held.end();
  });

  it('can stand by instead: leader runnables end, the rest goes on, and a new term starts them again', async () => {
    const leases = new MemoryLeases();
    let down = false;
    const api = leases.api((_, signal) => (down ? hang(signal) : undefined));
    const { manager, clock, journal, add } = createManager({ leaderElection: { ...election, api, whenLost: 'standBy' } });
    add('leader', 'leader');
    const other = add('other', 'everyReplica');
    const run = manager.start();
    await settle();
    down = true;
    await clock.advanceAsync(10_000);
    expect(journal).toEqual(['start other', 'start leader', 'stop leader']);
    expect(manager.isLeading).toBe(false);
    down = false;
    await clock.advanceAsync(10_000);
    expect(journal.slice(3)).toEqual(['start leader']);
    expect([manager.isLeading, other.signal!.aborted]).toEqual([true, false]);
    manager.stop();
    await run;
  });

  it('ends where a leader’s runnable does not end before another may lead', async () => {
    const leases = new MemoryLeases();
    let down = false;
    const api = leases.api((_, signal) => (down ? hang(signal) : undefined));
    const { manager, clock, add } = createManager({ leaderElection: { ...election, api, whenLost: 'standBy' } });
    const held = add('stubborn', 'leader', { held: true });
    const run = expect(manager.start()).rejects.toThrow('still running: stubborn');
    await settle();
    down = true;
    await clock.advanceAsync(15_000);
    await run;
    held.end();
  });

  it('needs a namespace', () => {
    const kubeConfig = unreachableKubeConfig();
    kubeConfig.setCurrentContext('none');
    kubeConfig.contexts[0] = { ...kubeConfig.contexts[0]!, namespace: undefined };
    expect(() => createManager({ kubeConfig, leaderElection: election })).toThrow('give leaderElection.namespace');
  });
});
