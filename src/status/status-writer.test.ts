import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serviceEntryKind } from '../api/index.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { Cache } from '../runtime/cache/cache.ts';
import { ApiError } from '../runtime/client/api-error.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import type { DirtyObjects } from '../xds/ledger.ts';
import type { PublishedObject } from './published-status.ts';
import type { ObjectStatus } from './render-status.ts';
import { StatusWriter, type StatusWriterOptions } from './status-writer.ts';

/** What a status is to say; the rest follows. */
interface Wanted {
  generation?: number;
  affected?: number;
  acked?: number;
  reason?: string;
}

const makeStatus = ({ generation = 1, affected = 100, acked = 100, reason = 'Propagated' }: Wanted): ObjectStatus => ({
  observedGeneration: generation,
  conditions: [
    { type: 'Accepted', status: 'True', reason: 'Accepted', message: '', observedGeneration: generation },
    { type: 'Ready', status: reason === 'Propagated' ? 'True' : 'False', reason, message: '', observedGeneration: generation },
  ],
  propagation: { generation, summary: `${acked}/${affected} acked`, affected, acked, rejected: 0, pending: affected - acked },
});

/** An API server and a tracker in memory: the watch tells of each write when the test says so. */
class World {
  readonly clock = new FakeClock();
  readonly cache = new Cache();
  readonly statuses = new Map<ObjectKey, ObjectStatus>();
  readonly writes: { key: string; atMs: number; body: Record<string, unknown> }[] = [];
  readonly logged: string[] = [];
  readonly stored = new Map<string, PublishedObject>();
  /** What the API server keeps of a status. */
  cut: (status: ObjectStatus) => ObjectStatus = (status) => status;
  /** How long the API server takes to answer what it has written already. */
  answer: (signal: AbortSignal) => Promise<void> = async () => {};
  /** Statuses whose writing listeners have heard of. */
  readonly told: ObjectStatus[] = [];
  fail: (name: string) => ApiError | undefined = () => undefined;
  #version = 100;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #changed: (key: ObjectKey, status: ObjectStatus | undefined) => void = () => {};
  #dirty: (objects: DirtyObjects) => void = () => {};

  constructor() {
    this.cache.store(serviceEntryKind).replace([]);
  }

  start(options: Partial<StatusWriterOptions> = {}): void {
    const logger: Logger = { ...silentLogger, error: (message) => void this.logged.push(message) };
    const writer = new StatusWriter({
      tracker: {
        adopt: () => {},
        get: (key) => this.statuses.get(key),
        keys: () => [...this.statuses.keys()],
        onChange: (listener) => {
          this.#changed = listener;
          return () => {};
        },
      },
      propagation: {
        onDirty: (listener) => {
          this.#dirty = listener;
          return () => {};
        },
      },
      cache: this.cache,
      client: {
        status: () => ({ patch: this.#patch }),
        getLive: async (_kind: never, name: string) => this.stored.get(name),
      } as never,
      kinds: [serviceEntryKind],
      clock: this.clock,
      logger,
      ...options,
    });
    writer.onWritten((_key, _object, _before, after) => void this.told.push(after));
    this.#running = writer.start(this.#stop.signal);
  }

  /** Says that it should stop, and does not wait. */
  abort(): void {
    this.#stop.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.advanceAsync(0);
    await this.#running;
    expect(this.clock.pendingTimers).toBe(0);
  }

  object(name: string, status?: ObjectStatus): void {
    const metadata = { name, namespace: 'shop', uid: name, resourceVersion: String(++this.#version), generation: 1 };
    const object = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata, spec: {}, ...(status && { status }) };
    this.stored.set(`shop/${name}`, object);
    this.watch(name);
  }

  /** Another writer's change, which the watch has yet to tell of. */
  touch(name: string): void {
    const object = this.stored.get(`shop/${name}`)!;
    this.stored.set(`shop/${name}`, { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } });
  }

  watch(name: string): void {
    this.cache.store(serviceEntryKind).apply(this.stored.get(`shop/${name}`) as never);
  }

  want(name: string, wanted: Wanted, isLive = true): void {
    const key = `ServiceEntry/shop/${name}`;
    const status = makeStatus(wanted);
    this.statuses.set(key, status);
    if (isLive) this.#changed(key, status);
  }

  membershipChanged(): void {
    this.#dirty('all');
  }

  names(): string[] {
    return this.writes.map(({ key }) => key.replace('shop/', ''));
  }

  readonly #patch = async (
    name: string,
    { value }: { value: Record<string, never> },
    { signal }: { signal: AbortSignal },
  ): Promise<PublishedObject> => {
    const error = this.fail(name);
    if (error) throw error;
    const object = this.stored.get(name);
    if (!object) throw refusal(404, 'NotFound');
    const { metadata, status } = value as unknown as { metadata: { resourceVersion: string }; status: Record<string, unknown> };
    if (metadata.resourceVersion !== object.metadata.resourceVersion) throw refusal(409, 'Conflict');
    this.writes.push({ key: name, atMs: this.clock.monotonicMs(), body: status });
    const before = object.status?.propagation ?? {};
    const written = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#version) },
      status: this.cut({
        ...object.status,
        ...status,
        propagation: { ...before, ...(status.propagation as object) },
      } as ObjectStatus),
    } as PublishedObject;
    this.stored.set(name, written);
    await this.answer(signal);
    return written;
  };
}

const refusal = (status: number, reason: string, message = reason) =>
  new ApiError({
    status,
    reason,
    message,
    request: { verb: 'patch', resource: 'serviceentries.networking.istio.io/status', object: 'shop/a' },
  });

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

describe('StatusWriter', () => {
  it('mends what differs when the term begins, and nothing else', async () => {
    world.object('right', makeStatus({}));
    world.object('wrong', makeStatus({ acked: 3 }));
    world.object('new');
    for (const name of ['right', 'wrong', 'new']) world.want(name, {}, false);
    world.start();
    await world.clock.advanceAsync(10);
    expect(world.names().sort()).toEqual(['new', 'wrong']);
    expect(world.writes.find(({ key }) => key === 'shop/wrong')!.body).toEqual({
      propagation: { acked: 100, pending: 0, summary: '100/100 acked' },
    });
  });

  it('writes an object once a second at most, whether the watch keeps up or not', async () => {
    world.object('a');
    world.start();
    await world.clock.advanceAsync(0);
    for (let at = 0; at < 100; at++) {
      world.want('a', { generation: at + 1 });
      await world.clock.advanceAsync(50);
    }
    await world.clock.advanceAsync(1_000);
    expect(world.writes.map(({ atMs }) => atMs)).toEqual([0, 1_000, 2_000, 3_000, 4_000, 5_000]);
    expect(world.stored.get('shop/a')!.status!.observedGeneration).toBe(100);
  });

  it('writes counts in steps of a tenth, and what is left in the end', async () => {
    world.object('a', makeStatus({ acked: 0, reason: 'Propagating' }));
    world.start();
    await world.clock.advanceAsync(0);
    for (let acked = 1; acked < 100; acked++) {
      world.want('a', { acked, reason: 'Propagating' });
      await world.clock.advanceAsync(1_000);
    }
    world.want('a', {});
    await world.clock.advanceAsync(1_000);
    expect(world.writes.map(({ body }) => (body.propagation as { acked: number }).acked)).toEqual([
      10, 20, 30, 40, 50, 60, 70, 80, 90, 100,
    ]);
    world.want('a', { affected: 103, acked: 103 });
    await world.clock.advanceAsync(299_000);
    expect(world.writes).toHaveLength(10);
    await world.clock.advanceAsync(2_000);
    expect(world.stored.get('shop/a')!.status!.propagation!.summary).toBe('103/103 acked');
  });

  it('keeps to the budget of all objects, transitions of now before what is mended and counted', async () => {
    for (let at = 0; at < 30; at++) {
      world.object(`old-${at}`);
      world.want(`old-${at}`, {}, false);
    }
    world.object('steps', makeStatus({ acked: 10, reason: 'Propagating' }));
    world.object('live');
    world.start({ writesPerSecond: 10, burst: 5 });
    await world.clock.advanceAsync(0);
    const before = world.writes.length;
    expect(before).toBeLessThanOrEqual(9);
    world.want('steps', { acked: 50, reason: 'Propagating' });
    world.want('live', {});
    await world.clock.advanceAsync(1_000);
    expect(world.names().slice(before, before + 2)).toEqual(['live', 'steps']);
    await world.clock.advanceAsync(10_000);
    expect(world.writes).toHaveLength(32);
    for (const { atMs } of world.writes) {
      expect(world.writes.filter((other) => other.atMs > atMs - 1_000 && other.atMs <= atMs).length).toBeLessThanOrEqual(15);
    }
  });

  it('reads again after a conflict, and keeps what the other wrote', async () => {
    world.object('a');
    world.start();
    await world.clock.advanceAsync(0);
    world.touch('a');
    world.want('a', {});
    await world.clock.advanceAsync(0);
    expect(world.names()).toEqual(['a']);
  });

  it('tells of a write whose answer got lost, once the conflict with it shows that it arrived', async () => {
    world.object('a');
    world.start();
    await world.clock.advanceAsync(0);
    world.answer = async () => {
      world.answer = async () => {};
      // What the client does by itself: it sends the patch again.
      throw refusal(409, 'Conflict');
    };
    world.want('a', {});
    await world.clock.advanceAsync(0);
    expect(world.names()).toEqual(['a']);
    expect(world.told).toEqual([makeStatus({})]);
  });

  it('waits for a write that is on its way when it is stopped, and tells of it', async () => {
    const arrived = Promise.withResolvers<void>();
    world.answer = () => arrived.promise;
    world.object('a');
    world.start();
    world.want('a', {});
    await world.clock.advanceAsync(0);
    world.abort();
    await world.clock.advanceAsync(1_000);
    expect(world.told).toEqual([]);
    arrived.resolve();
    await world.stop();
    expect(world.told).toEqual([makeStatus({})]);
  });

  it('does not wait for an answer for ever', async () => {
    world.answer = (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    world.object('a');
    world.start();
    world.want('a', {});
    await world.clock.advanceAsync(0);
    world.abort();
    await world.clock.advanceAsync(2_000);
    await world.stop();
    expect(world.told).toEqual([]);
  });

  it('takes an object that is gone for no error', async () => {
    world.object('a');
    world.start();
    await world.clock.advanceAsync(0);
    world.stored.delete('shop/a');
    world.want('a', {});
    await world.clock.advanceAsync(120_000);
    expect(world.logged).toEqual([]);
  });

  it('says once that a kind has no status to write to, and writes again when it has', async () => {
    world.fail = () => refusal(404, 'NotFound');
    world.object('a');
    world.start();
    await world.clock.advanceAsync(0);
    for (const generation of [1, 2, 3]) {
      world.want('a', { generation });
      await world.clock.advanceAsync(1_000);
    }
    expect(world.logged).toEqual(['Statuses of a kind cannot be written']);
    world.fail = () => undefined;
    world.want('a', { generation: 4 });
    await world.clock.advanceAsync(1_000);
    expect(world.names()).toEqual(['a']);
  });

  it('says once that it may not write, and goes on by itself', async () => {
    let tries = 0;
    world.fail = () => {
      tries++;
      return refusal(403, 'Forbidden', 'User "weft" cannot patch resource "serviceentries/status"');
    };
    world.start();
    await world.clock.advanceAsync(0);
    for (const name of ['a', 'b', 'c']) {
      world.object(name);
      world.want(name, {});
    }
    await world.clock.advanceAsync(29_000);
    expect(world.logged).toEqual(['Statuses of a kind may not be written']);
    expect(tries).toBeLessThanOrEqual(3);
    world.fail = () => undefined;
    await world.clock.advanceAsync(60_000);
    expect(world.names().sort()).toEqual(['a', 'b', 'c']);
  });

  it('lets no object wait for another whose status an admission policy refuses', async () => {
    world.fail = (name) =>
      name === 'shop/a' ? refusal(403, 'Forbidden', 'admission webhook "x" denied the request: cannot be') : undefined;
    for (const name of ['a', 'b']) world.object(name);
    world.start();
    await world.clock.advanceAsync(0);
    world.want('a', {});
    await world.clock.advanceAsync(0);
    world.want('b', {});
    await world.clock.advanceAsync(0);
    expect(world.names()).toEqual(['b']);
  });

  it('writes nothing when it does not lead any more', async () => {
    world.object('a');
    world.start({ isLeading: () => false });
    world.want('a', {});
    await world.clock.advanceAsync(10_000);
    expect(world.writes).toEqual([]);
  });

  it('compares everything when proxies come and go', async () => {
    world.object('a', makeStatus({}));
    world.want('a', {}, false);
    world.start();
    await world.clock.advanceAsync(0);
    world.want('a', { affected: 50, acked: 50 }, false);
    world.membershipChanged();
    await world.clock.advanceAsync(1_000);
    expect(world.stored.get('shop/a')!.status!.propagation!.summary).toBe('50/50 acked');
  });

  it('does not write again what the API server cuts, until it is to say something else', async () => {
    world.cut = ({ conditions = [], ...status }) => ({ ...status, conditions: conditions.slice(0, 1) });
    world.object('a');
    world.start();
    await world.clock.advanceAsync(0);
    world.want('a', {});
    await world.clock.advanceAsync(0);
    world.watch('a');
    for (let at = 0; at < 10; at++) {
      world.want('a', {});
      await world.clock.advanceAsync(1_000);
    }
    expect(world.writes).toHaveLength(1);
    world.want('a', { generation: 2 });
    await world.clock.advanceAsync(1_000);
    expect(world.writes).toHaveLength(2);
  });
});
