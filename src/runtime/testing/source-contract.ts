import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Cache } from '../cache/cache.ts';
import type { ObjectStore } from '../cache/object-store.ts';
import type { Event } from '../event.ts';
import type { KubernetesObject } from '../object.ts';
import { objectName } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';

/** An object as a test writes it into the world that the source under test watches. */
export interface ContractObject extends KubernetesObject {
  spec: { value: string };
}

/** What the suite needs of a source and of the world behind it; a fresh one for each test. */
export interface SourceHarness {
  /** Written by the source under test. */
  readonly cache: Cache;
  /** A namespaced kind whose objects have the shape of {@link ContractObject}. */
  readonly kind: ResourceKind<ContractObject>;
  /** Makes or changes an object in the world: name, `spec.value` and labels, in namespace `contract`. */
  write(name: string, value: string, labels?: Record<string, string>): Promise<void>;
  /** Writes the same content again, as `kubectl apply` without a change or `touch` does. */
  rewrite(name: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Starts the source and resolves when it has synced. */
  start(): Promise<void>;
  /** Ends the source and everything it holds; may be called twice. The world goes on. */
  stop(): Promise<void>;
  /** Ends the world. */
  dispose(): Promise<void>;
}

/** What every source of objects has to do, whatever it reads: run against each of them. */
export function describeSourceContract(name: string, createHarness: () => Promise<SourceHarness>): void {
  describe(`${name} keeps the contract of sources`, () => {
    let harness: SourceHarness;
    let store: ObjectStore<ContractObject>;
    let events: string[];

    beforeEach(async () => {
      harness = await createHarness();
      store = harness.cache.store(harness.kind);
      events = [];
      store.subscribe((event) => events.push(describeEvent(event)));
    });

    afterEach(async () => {
      await harness.stop();
      await harness.dispose();
    });

    const eventually = (assertion: () => void) => vi.waitFor(assertion, { timeout: 10_000, interval: 5 });

    it('delivers what is there as the initial list and is synced afterwards', async () => {
      await harness.write('a', '1');
      await harness.write('b', '1');
      expect(store.hasSynced).toBe(false);
      await harness.start();
      expect(store.hasSynced).toBe(true);
      expect(events.sort()).toEqual(['create contract/a=1 initial', 'create contract/b=1 initial']);
    });

    it('is synced with an empty world too', async () => {
      await harness.start();
      expect(store.hasSynced).toBe(true);
      expect(events).toEqual([]);
    });

    it('tells of objects made, changed and removed, in that order', async () => {
      await harness.start();
      await harness.write('a', '1');
      await eventually(() => expect(events).toEqual(['create contract/a=1']));
      await harness.write('a', '2');
      await eventually(() => expect(events[1]).toBe('update contract/a=1 to 2'));
      await harness.remove('a');
      await eventually(() => expect(events[2]).toMatch(/^delete contract\/a=2/));
      expect(store.get('contract/a')).toBeUndefined();
    });

    it('tells nothing of a write without a change', async () => {
      await harness.write('a', '1');
      await harness.start();
      await harness.rewrite('a');
      await harness.write('marker', '1');
      await eventually(() => expect(events).toContain('create contract/marker=1'));
      expect(events.filter((event) => event.includes('contract/a'))).toEqual(['create contract/a=1 initial']);
    });

    it('ends up with the last of many quick changes', async () => {
      await harness.start();
      for (let value = 1; value <= 20; value++) await harness.write('a', String(value));
      await eventually(() => expect(store.get('contract/a')?.spec.value).toBe('20'));
    });

    it('tells a late subscriber what is there as an initial list', async () => {
      await harness.write('a', '1');
      await harness.start();
      await harness.write('b', '1');
      await eventually(() => expect(store.size).toBe(2));
      const late: string[] = [];
      store.subscribe((event) => late.push(describeEvent(event)));
      expect(late.sort()).toEqual(['create contract/a=1 initial', 'create contract/b=1 initial']);
    });

    it('gives each object the metadata that reconcilers rely on', async () => {
      await harness.write('a', '1', { app: 'x' });
      await harness.start();
      const { metadata } = store.get('contract/a')!;
      expect(metadata).toMatchObject({ name: 'a', namespace: 'contract', generation: 1, labels: { app: 'x' } });
      expect(metadata.uid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(metadata.resourceVersion).toBeTruthy();
      expect(Date.parse(metadata.creationTimestamp ?? '')).not.toBeNaN();
    });

    it('counts generations by changes of spec, and resource versions by any change', async () => {
      await harness.write('a', '1');
      await harness.start();
      const first = store.get('contract/a')!.metadata;
      await harness.write('a', '1', { app: 'x' });
      await eventually(() => expect(store.get('contract/a')!.metadata.labels).toEqual({ app: 'x' }));
      const labelled = store.get('contract/a')!.metadata;
      await harness.write('a', '2', { app: 'x' });
      await eventually(() => expect(store.get('contract/a')!.spec.value).toBe('2'));
      const changed = store.get('contract/a')!.metadata;
      expect([first.generation, labelled.generation, changed.generation]).toEqual([1, 1, 2]);
      expect(new Set([first.resourceVersion, labelled.resourceVersion, changed.resourceVersion]).size).toBe(3);
      expect([labelled.uid, changed.uid]).toEqual([first.uid, first.uid]);
      expect([labelled.creationTimestamp, changed.creationTimestamp]).toEqual([first.creationTimestamp, first.creationTimestamp]);
    });

    it('writes nothing after it was stopped', async () => {
      await harness.start();
      await harness.stop();
      await harness.write('a', '1');
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(events).toEqual([]);
    });
  });
}

function describeEvent(event: Event<ContractObject>): string {
  if (event.type === 'update')
    return `update ${objectName(event.objectOld)}=${event.objectOld.spec.value} to ${event.objectNew.spec.value}`;
  const text = `${event.type} ${objectName(event.object)}=${event.object.spec.value}`;
  return event.type === 'create' && event.isInInitialList ? `${text} initial` : text;
}
