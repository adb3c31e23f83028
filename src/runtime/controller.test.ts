import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { Controller, type ControllerOptions } from './controller.ts';
import { enqueueRequestForObject } from './event-handler.ts';
import type { LogFields, Logger } from './logger.ts';
import { generationChanged } from './predicate.ts';
import { type Reconciler, reconcilerOf, TerminalError } from './reconciler.ts';
import type { EventListener, Source } from './source.ts';
import { FakeClock, settle } from './testing/fake-clock.ts';
import { type Widget, widget } from './testing/objects.ts';

function recordingLogger(lines: { message: string; fields: LogFields }[], own: LogFields = {}): Logger {
  const write = (message: string, fields: LogFields = {}) => void lines.push({ message, fields: { ...own, ...fields } });
  return {
    error: write,
    warn: write,
    info: write,
    debug: write,
    child: (fields) => recordingLogger(lines, { ...own, ...fields }),
  };
}

async function setup(reconcile: Reconciler['reconcile'], options: Partial<ControllerOptions> = {}) {
  const clock = new FakeClock();
  const registry = new Registry();
  const lines: { message: string; fields: LogFields }[] = [];
  const stop = new AbortController();
  const controller = new Controller({
    name: 'widgets',
    group: 'everyReplica',
    reconciler: reconcilerOf(reconcile),
    clock,
    registry,
    logger: recordingLogger(lines),
    ...options,
  });
  const running = controller.start(stop.signal);
  await settle();
  const metric = async (name: string, labels: Record<string, string> = {}) => {
    const found = await registry.getSingleMetric(name)!.get();
    return found.values.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value;
  };
  const results = async () => {
    const entries = ['success', 'error', 'requeue_after', 'requeue'].map(async (result) => [
      result,
      await metric('controller_runtime_reconcile_total', { result }),
    ]);
    return Object.fromEntries(await Promise.all(entries));
  };
  const end = async () => {
    stop.abort();
    await running;
  };
  return { clock, controller, lines, metric, results, end, stop, running };
}

describe('Controller', () => {
  it('presets every metric to 0', async () => {
    const { results, metric, end } = await setup(() => ({}), { maxConcurrentReconciles: 3 });
    expect(await results()).toEqual({ success: 0, error: 0, requeue_after: 0, requeue: 0 });
    for (const name of [
      'reconcile_errors_total',
      'terminal_reconcile_errors_total',
      'reconcile_panics_total',
      'active_workers',
    ]) {
      expect(await metric(`controller_runtime_${name}`, { controller: 'widgets' })).toBe(0);
    }
    expect(await metric('controller_runtime_max_concurrent_reconciles')).toBe(3);
    await end();
  });

  it('retries a failure with growing delays, by throw or rejection, and starts over after a success', async () => {
    const at: number[] = [];
    let failures = 3;
    const { clock, controller, results, metric, lines, end } = await setup(() => {
      at.push(clock.monotonicMs());
      if (failures-- > 1) throw new Error('not yet');
      if (failures === 0) return Promise.reject(new Error('nearly'));
      return {};
    });
    controller.enqueue('ns/a');
    await clock.advanceAsync(100);
    expect(at).toEqual([0, 5, 15, 35]);
    failures = 1;
    controller.enqueue('ns/a');
    await clock.advanceAsync(100);
    expect(at.slice(4)).toEqual([100, 105]);
    expect(await results()).toMatchObject({ success: 2, error: 4 });
    expect(await metric('controller_runtime_reconcile_errors_total')).toBe(4);
    expect(await metric('controller_runtime_reconcile_panics_total')).toBe(0);
    const line = lines.find(({ message }) => message === 'Reconciler error')!;
    expect(line.fields).toMatchObject({ controller: 'widgets', namespace: 'ns', name: 'a', retried: true });
    expect(line.fields.reconcileID).toMatch(/^[0-9a-f-]{36}$/);
    await end();
  });

  it('counts a terminal error and does not retry it', async () => {
    let calls = 0;
    const { clock, controller, metric, end } = await setup(() => {
      calls += 1;
      throw new Error('outer', { cause: new TerminalError('never') });
    });
    controller.enqueue('ns/a');
    await clock.advanceAsync(10_000);
    expect(calls).toBe(1);
    expect(await metric('controller_runtime_terminal_reconcile_errors_total')).toBe(1);
    expect(await metric('controller_runtime_reconcile_errors_total')).toBe(1);
    await end();
  });

  it('survives faults of the program and counts them', async () => {
    const thrown = [new TypeError('undefined is not a function'), 'a string', undefined];
    let calls = 0;
    const { clock, controller, metric, results, end } = await setup(() => {
      if (calls < thrown.length) throw thrown[calls++];
      return {};
    });
    controller.enqueue('ns/a');
    await clock.advanceAsync(1_000);
    expect(await metric('controller_runtime_reconcile_panics_total')).toBe(3);
    expect(await results()).toMatchObject({ error: 3, success: 1 });
    await end();
  });

  it('requeues after a time, forgetting failures first', async () => {
    const at: number[] = [];
    const plan = ['fail', 'fail', 'later', 'fail', 'done'];
    const { clock, controller, results, end } = await setup(() => {
      at.push(clock.monotonicMs());
      const next = plan.shift();
      if (next === 'fail') throw new Error('x');
      return next === 'later' ? { requeueAfterMs: 1_000 } : {};
    });
    controller.enqueue('ns/a');
    await clock.advanceAsync(10_000);
    expect(at).toEqual([0, 5, 15, 1_015, 1_020]);
    expect(await results()).toMatchObject({ requeue_after: 1, success: 1, error: 3 });
    await end();
  });

  it('keeps the priority of a request that fails', async () => {
    const order: string[] = [];
    const { clock, controller, end } = await setup(async ({ name }) => {
      order.push(name);
      if (order.length === 1) throw new Error('x');
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 10));
      return {};
    });
    const source: Source<Widget> = {
      name: 'test',
      start: (listener) => listener({ type: 'create', object: widget('ns/low'), isInInitialList: true }),
    };
    controller.watch(source, enqueueRequestForObject);
    await settle();
    controller.enqueue('ns/busy');
    await clock.advanceAsync(6);
    controller.enqueue('ns/live');
    await clock.advanceAsync(100);
    expect(order).toEqual(['ns/low', 'ns/busy', 'ns/live', 'ns/low']);
    await end();
  });

  it('runs as many as allowed at once, one object never twice', async () => {
    const underWay: string[] = [];
    let most = 0;
    const { clock, controller, metric, end } = await setup(
      async ({ name }) => {
        expect(underWay).not.toContain(name);
        underWay.push(name);
        most = Math.max(most, underWay.length);
        await new Promise<void>((resolve) => void clock.setTimer(resolve, 10));
        underWay.splice(underWay.indexOf(name), 1);
        return {};
      },
      { maxConcurrentReconciles: 2 },
    );
    for (const name of ['ns/a', 'ns/b', 'ns/c']) controller.enqueue(name);
    await clock.advanceAsync(5);
    controller.enqueue('ns/a');
    expect(await metric('controller_runtime_active_workers')).toBe(2);
    await clock.advanceAsync(100);
    expect(most).toBe(2);
    expect(await metric('controller_runtime_active_workers')).toBe(0);
    await end();
  });

  it('aborts the signal of a reconcile that takes too long', async () => {
    const { clock, controller, metric, end } = await setup(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
      { reconciliationTimeoutMs: 50 },
    );
    controller.enqueue('ns/a');
    await clock.advanceAsync(50);
    expect(await metric('controller_runtime_reconcile_timeouts_total')).toBe(1);
    expect(await metric('controller_runtime_reconcile_errors_total')).toBe(1);
    await end();
  });

  it('lets the event loop turn under thousands of names, without a turn for each', async () => {
    let reconciled = 0;
    let turns = 0;
    const { controller, end } = await setup(() => {
      const until = performance.now() + 0.05;
      while (performance.now() < until);
      reconciled += 1;
      return {};
    });
    for (let n = 0; n < 2_000; n++) controller.enqueue(`ns/w${n}`);
    while (reconciled < 2_000) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    expect(turns).toBeGreaterThan(2);
    expect(turns).toBeLessThan(500);
    await end();
  });

  it('waits for reconciles under way when it stops, and starts no other', async () => {
    let finish = () => {};
    const order: string[] = [];
    const { controller, stop, running } = await setup(async ({ name }) => {
      order.push(name);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { requeueAfterMs: 1 };
    });
    controller.enqueue('ns/a');
    controller.enqueue('ns/b');
    await settle();
    let ended = false;
    const end = running.then(() => {
      ended = true;
    });
    stop.abort();
    await settle();
    expect(ended).toBe(false);
    finish();
    await end;
    expect(order).toEqual(['ns/a']);
  });

  it('refuses to start twice', async () => {
    const { controller, end } = await setup(() => ({}));
    await expect(controller.start(new AbortController().signal)).rejects.toThrow(/controller widgets was started twice/);
    await end();
  });
});

describe('Controller and its sources', () => {
  const controllerOf = (source: Source<Widget>, reconciled: string[], clock = new FakeClock()) => {
    const controller = new Controller({
      name: 'widgets',
      group: 'everyReplica',
      clock,
      reconciler: reconcilerOf(({ name }) => {
        reconciled.push(name);
        return {};
      }),
    });
    controller.watch(source, enqueueRequestForObject, generationChanged);
    return controller;
  };

  it('reconciles nothing before every source has synced; then live changes before the first list', async () => {
    const reconciled: string[] = [];
    const synced = Promise.withResolvers<void>();
    const stop = new AbortController();
    const source: Source<Widget> = {
      name: 'test',
      start(listener: EventListener<Widget>) {
        listener({ type: 'create', object: widget('ns/listed'), isInInitialList: true });
        listener({ type: 'create', object: widget('ns/live'), isInInitialList: false });
        listener({ type: 'update', objectOld: widget('ns/same'), objectNew: widget('ns/same') });
      },
      waitForSync: () => synced.promise,
    };
    const running = controllerOf(source, reconciled).start(stop.signal);
    await settle();
    expect(reconciled).toEqual([]);
    synced.resolve();
    await settle();
    expect(reconciled).toEqual(['ns/live', 'ns/listed']);
    stop.abort();
    await running;
  });

  it('rejects when a source does not sync in time, naming both', async () => {
    const clock = new FakeClock();
    const source: Source<Widget> = { name: 'kind Widget', start() {}, waitForSync: () => new Promise(() => {}) };
    const running = controllerOf(source, [], clock).start(new AbortController().signal);
    const outcome = expect(running).rejects.toThrow(
      'controller widgets: source "kind Widget" did not start: not synced after 120000 ms',
    );
    await clock.advanceAsync(120_000);
    await outcome;
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects when a source fails, and ends quietly when stopped before the sync', async () => {
    const failing: Source<Widget> = { name: 'test', start: () => Promise.reject(new Error('no such directory')) };
    await expect(controllerOf(failing, []).start(new AbortController().signal)).rejects.toThrow(
      /"test" did not start: no such directory/,
    );
    const stop = new AbortController();
    const endless: Source<Widget> = { name: 'test', start() {}, waitForSync: () => new Promise(() => {}) };
    const running = controllerOf(endless, []).start(stop.signal);
    stop.abort();
    await running;
  });

  it('keeps the source going when a handler throws', async () => {
    const reconciled: string[] = [];
    const stop = new AbortController();
    let listener: EventListener<Widget> = () => {};
    const source: Source<Widget> = {
      name: 'test',
      start(given) {
        listener = given;
      },
    };
    const controller = controllerOf({ name: 'empty', start() {} }, reconciled);
    controller.watch(source, (event, queue) => {
      if (event.type === 'generic') throw new Error('cannot map');
      enqueueRequestForObject(event, queue);
    });
    const running = controller.start(stop.signal);
    await settle();
    listener({ type: 'generic', object: widget('ns/a') });
    listener({ type: 'create', object: widget('ns/b'), isInInitialList: false });
    await settle();
    expect(reconciled).toEqual(['ns/b']);
    stop.abort();
    await running;
  });
});
