import { describe, expect, it } from 'vitest';
import { ApiError, ConnectionError } from '../client/api-error.ts';
import type { Client } from '../client/client.ts';
import type { Logger } from '../logger.ts';
import { FakeClock, settle } from '../testing/fake-clock.ts';
import { hang } from '../testing/memory-leases.ts';
import { widget } from '../testing/objects.ts';
import { EventRecorder, type EventRecorderOptions } from './event-recorder.ts';
import type { Occurrence, RecordedEvent } from './recorded-event.ts';

const note: Occurrence = { type: 'Normal', reason: 'Accepted', note: 'generation 1 accepted' };
const refused = (status: number, reason: string) =>
  new ApiError({ status, reason, message: reason, request: { verb: 'create', resource: 'events.events.k8s.io' } as never });

function createRecorder(options: Partial<EventRecorderOptions> = {}) {
  const clock = new FakeClock();
  const events = new Map<string, RecordedEvent>();
  const calls: string[] = [];
  const logged: string[] = [];
  let fault: ((call: string, signal?: AbortSignal) => unknown) | undefined;
  const attempt = async (call: string, signal?: AbortSignal) => {
    calls.push(call);
    await fault?.(call, signal);
  };
  const client = {
    create: async (_: unknown, event: RecordedEvent, { signal }: { signal?: AbortSignal } = {}) => {
      await attempt('create', signal);
      events.set(event.metadata.name, structuredClone(event));
    },
    patch: async (
      _: unknown,
      key: string,
      patch: { value: Partial<RecordedEvent> },
      { signal }: { signal?: AbortSignal } = {},
    ) => {
      await attempt('patch', signal);
      const event = events.get(key.split('/')[1]!);
      if (!event) throw refused(404, 'NotFound');
      Object.assign(event, patch.value);
    },
  } as unknown as Pick<Client, 'create' | 'patch'>;
  const log = (message: string) => void logged.push(message);
  const logger: Logger = { error: log, warn: log, info() {}, debug() {}, child: () => logger };
  const recorder = new EventRecorder({
    client,
    controller: 'example.com/operator',
    instance: 'pod-1',
    clock,
    logger,
    ...options,
  });
  const stop = new AbortController();
  const run = recorder.start(stop.signal);
  return {
    recorder,
    clock,
    calls,
    logged,
    list: () => [...events.values()],
    events,
    setFault: (value: typeof fault) => {
      fault = value;
    },
    stop: async () => {
      stop.abort();
      await settle();
      await clock.advanceAsync(2_000);
      await run;
      expect(clock.pendingTimers).toBe(0);
    },
  };
}

describe('event recorder', () => {
  it('writes an event that says who, about what, and why', async () => {
    const { recorder, list, stop } = createRecorder();
    const object = widget('ns/a', '', { uid: 'u1', resourceVersion: '7' });
    recorder.record(object, { ...note, type: 'Warning', action: 'Validate', related: widget('ns/b', '', { uid: 'u2' }) });
    await settle();
    expect(list()).toEqual([
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: expect.stringMatching(/^a\.[0-9a-f]{16}$/), namespace: 'ns' },
        eventTime: '2026-01-01T00:00:00.000000Z',
        type: 'Warning',
        reason: 'Accepted',
        action: 'Validate',
        note: 'generation 1 accepted',
        reportingController: 'example.com/operator',
        reportingInstance: 'pod-1',
        regarding: { apiVersion: 'example.com/v1', kind: 'Widget', namespace: 'ns', name: 'a', uid: 'u1', resourceVersion: '7' },
        related: expect.objectContaining({ name: 'b' }),
      },
    ]);
    await stop();
  });

  it('keeps to what the API server takes', async () => {
    const { recorder, list, stop } = createRecorder();
    const clusterScoped = { ...widget('ns/system:role'), metadata: { name: 'system:role', namespace: '' } };
    recorder.record(clusterScoped, { type: 'Normal', reason: 'R'.repeat(200), note: 'é'.repeat(1024) });
    await settle();
    const [event] = list();
    expect(event!.metadata).toEqual({ name: expect.stringMatching(/^[0-9a-f]{16}$/), namespace: 'default' });
    expect(event!.regarding).not.toHaveProperty('namespace');
    expect(event!.reason).toHaveLength(128);
    expect(event!.action).toHaveLength(128);
    expect(Buffer.byteLength(event!.note)).toBeLessThanOrEqual(1024);
    expect(event!.note).toMatch(/^é+…$/);
    await stop();
  });

  it('counts what happens again: the second time at once, later ones once a minute, then never', async () => {
    const { recorder, clock, calls, list, stop } = createRecorder();
    const object = widget('ns/a', '', { uid: 'u1', resourceVersion: '1' });
    recorder.record(object, note);
    await settle();
    expect(list()[0]).not.toHaveProperty('series');
    await clock.advanceAsync(1_000);
    recorder.record({ ...object, metadata: { ...object.metadata, resourceVersion: '2' } }, note);
    await settle();
    expect(list()[0]!.series).toEqual({ count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' });
    for (let i = 0; i < 100; i++) recorder.record(object, note);
    await settle();
    expect(calls).toEqual(['create', 'patch']);
    await clock.advanceAsync(60_000);
    expect(calls).toEqual(['create', 'patch', 'patch']);
    expect(list()).toHaveLength(1);
    expect(list()[0]!.series!.count).toBe(102);
    await clock.advanceAsync(600_000);
    expect(calls).toHaveLength(3);
    recorder.record(object, note);
    await settle();
    expect(list(), 'a new event after the series has ended').toHaveLength(2);
    await stop();
  });

  it('tells apart reasons, notes, types and objects made anew', async () => {
    const { recorder, list, stop } = createRecorder();
    const object = widget('ns/a', '', { uid: 'u1' });
    recorder.record(object, note);
    recorder.record(object, { ...note, reason: 'Other' });
    recorder.record(object, { ...note, note: 'generation 2 accepted' });
    recorder.record(object, { ...note, type: 'Warning' });
    recorder.record(widget('ns/a', '', { uid: 'u2' }), note);
    await settle();
    expect(list()).toHaveLength(5);
    await stop();
  });

  it('lets no object flood the others: 25 new events at once, then one every 5 minutes', async () => {
    const { recorder, clock, list, logged, stop } = createRecorder();
    const flood = () => {
      for (let i = 0; i < 100; i++) recorder.record(widget('ns/noisy'), { ...note, note: `${clock.now()} ${i}` });
    };
    flood();
    recorder.record(widget('ns/quiet'), note);
    await clock.advanceAsync(1_000);
    expect(list()).toHaveLength(26);
    expect(logged).toEqual(['Too many events, dropping some']);
    await clock.advanceAsync(300_000);
    flood();
    await settle();
    expect(list()).toHaveLength(27);
    await stop();
  });

  it('writes no faster than it may', async () => {
    const { recorder, clock, calls, stop } = createRecorder({ writesPerSecond: 1 });
    for (let i = 0; i < 30; i++) recorder.record(widget(`ns/w${i}`), note);
    await settle();
    expect(calls).toHaveLength(10);
    await clock.advanceAsync(5_000);
    expect(calls).toHaveLength(15);
    await clock.advanceAsync(20_000);
    expect(calls).toHaveLength(30);
    await stop();
  });

  it('keeps what it could not write, up to its capacity, and writes it later', async () => {
    const { recorder, clock, list, logged, setFault, stop } = createRecorder({ capacity: 50 });
    setFault(() => {
      throw new ConnectionError('connection refused', 'ECONNREFUSED');
    });
    for (let i = 0; i < 80; i++) recorder.record(widget(`ns/w${i}`), note);
    await clock.advanceAsync(3_000);
    expect(list()).toHaveLength(0);
    setFault(undefined);
    await clock.advanceAsync(60_000);
    expect(list()).toHaveLength(50);
    expect(logged).toEqual(['Too many events, dropping some', 'Events were dropped']);
    await stop();
  });

  it('gives up an event that is refused, and one that fails for long', async () => {
    const { recorder, clock, calls, logged, setFault, stop } = createRecorder();
    setFault(() => {
      throw refused(403, 'Forbidden');
    });
    recorder.record(widget('ns/a'), note);
    await clock.advanceAsync(60_000);
    expect(calls).toHaveLength(1);
    setFault((_, signal) => hang(signal!));
    recorder.record(widget('ns/b'), note);
    await clock.advanceAsync(600_000);
    expect(calls).toHaveLength(13);
    expect(logged).toEqual(['Event not written', 'Event not written']);
    await stop();
  });

  it('says nothing of events in a namespace that is being deleted', async () => {
    const { recorder, clock, calls, logged, setFault, stop } = createRecorder();
    const details = { causes: [{ reason: 'NamespaceTerminating' }] };
    setFault(() => {
      throw new ApiError({ status: 403, reason: 'Forbidden', message: '', request: {} as never, details });
    });
    recorder.record(widget('ns/a'), note);
    await clock.advanceAsync(60_000);
    expect([calls, logged]).toEqual([['create'], []]);
    await stop();
  });

  it('counts on where an answer was lost, and begins anew where the API server has forgotten the event', async () => {
    const { recorder, clock, calls, events, list, setFault, stop } = createRecorder();
    const object = widget('ns/a');
    setFault(() => {
      throw refused(409, 'AlreadyExists');
    });
    recorder.record(object, note);
    await settle();
    setFault(undefined);
    recorder.record(object, note);
    await settle();
    expect(calls).toEqual(['create', 'patch', 'create']);
    expect(list()[0]!.series!.count).toBe(2);
    events.clear();
    recorder.record(object, note);
    await clock.advanceAsync(60_000);
    expect(list()[0]!.series!.count).toBe(3);
    await stop();
  });

  it('writes what is left at the stop, but does not wait for a server that does not answer', async () => {
    const first = createRecorder();
    first.recorder.record(widget('ns/a'), note);
    first.recorder.record(widget('ns/a'), note);
    await settle();
    for (let i = 0; i < 5; i++) first.recorder.record(widget('ns/a'), note);
    first.recorder.record(widget('ns/b'), note);
    await first.stop();
    expect(first.list().map(({ series }) => series?.count)).toEqual([7, undefined]);
    const second = createRecorder();
    second.setFault((_, signal) => hang(signal!));
    second.recorder.record(widget('ns/a'), note);
    await second.stop();
    expect(second.list()).toEqual([]);
  });

  it('counts no more events than its capacity, and loses no count of those it lets go', async () => {
    const { recorder, clock, list, stop } = createRecorder({ capacity: 10 });
    for (let i = 0; i < 10; i++) recorder.record(widget(`ns/w${i}`), note);
    await settle();
    for (let i = 0; i < 3; i++) recorder.record(widget('ns/w0'), note);
    for (let i = 1; i < 10; i++) recorder.record(widget(`ns/w${i}`), note);
    await settle();
    for (let i = 10; i < 15; i++) recorder.record(widget(`ns/w${i}`), note);
    await clock.advanceAsync(10_000);
    expect(list()).toHaveLength(15);
    expect(list()[0]!.series!.count).toBe(4);
    await stop();
  });
});
