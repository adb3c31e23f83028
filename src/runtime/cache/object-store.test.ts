import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Event } from '../event.ts';
import { objectName } from '../object.ts';
import { type Widget, widget, widgetKind } from '../testing/objects.ts';
import { Cache } from './cache.ts';
import { informerSource } from './informer-source.ts';
import { ObjectStore } from './object-store.ts';

const describeEvent = (event: Event<Widget>) => {
  if (event.type === 'update')
    return `update ${objectName(event.objectNew)} ${event.objectOld.spec.value}→${event.objectNew.spec.value}`;
  const extra =
    event.type === 'create' && event.isInInitialList
      ? ' initial'
      : event.type === 'delete' && event.deleteStateUnknown
        ? ' unknown'
        : '';
  return `${event.type} ${objectName(event.object)} ${event.object.spec.value}${extra}`;
};

function setup() {
  const store = new ObjectStore<Widget>(widgetKind);
  const events: string[] = [];
  store.subscribe((event) => events.push(describeEvent(event)));
  return { store, events };
}

describe('ObjectStore', () => {
  it('tells of creates, updates and deletes, those before the sync as the initial list', () => {
    const { store, events } = setup();
    store.apply(widget('ns/a', '1'));
    store.replace([widget('ns/a', '2'), widget('ns/b', '1')]);
    store.apply(widget('ns/c', '1'));
    store.delete('ns/a');
    store.delete('ns/none');
    expect(events).toEqual([
      'create ns/a 1 initial',
      'update ns/a 1→2',
      'create ns/b 1 initial',
      'create ns/c 1',
      'delete ns/a 2',
    ]);
  });

  it('deletes what a re-list lacks, as state unknown', () => {
    const { store, events } = setup();
    store.replace([widget('ns/a', '1'), widget('ns/b', '1')]);
    store.replace([widget('ns/b', '1', { resourceVersion: '2' })]);
    expect(events.slice(2)).toEqual(['update ns/b 1→1', 'delete ns/a 1 unknown']);
  });

  it('makes no event of an object with the same resource version', () => {
    const { store, events } = setup();
    const present = widget('ns/a', '1', { resourceVersion: '1' });
    store.apply(present);
    store.apply(widget('ns/a', '1', { resourceVersion: '1' }));
    expect(events).toHaveLength(1);
    expect(store.get('ns/a')).toBe(present);
  });

  it('lists by namespace and labels', () => {
    const { store } = setup();
    store.replace([widget('x/a', '', { labels: { app: '1' } }), widget('x/b'), widget('y/a', '', { labels: { app: '1' } })]);
    const names = (...options: Parameters<typeof store.list>) =>
      store
        .list(...options)
        .map(objectName)
        .sort();
    expect(names()).toEqual(['x/a', 'x/b', 'y/a']);
    expect(names({ namespace: 'x' })).toEqual(['x/a', 'x/b']);
    expect(names({ namespace: 'none' })).toEqual([]);
    expect(names({ labelSelector: { matchLabels: { app: '1' } } })).toEqual(['x/a', 'y/a']);
    expect(names({ namespace: 'y', labelSelector: {} })).toEqual(['y/a']);
  });

  it('tells a late subscriber what is there, and nobody after unsubscribing', () => {
    const { store } = setup();
    store.replace([widget('ns/a', '1')]);
    const late: string[] = [];
    const unsubscribe = store.subscribe((event) => late.push(describeEvent(event)));
    store.apply(widget('ns/b', '1'));
    unsubscribe();
    store.apply(widget('ns/c', '1'));
    expect(late).toEqual(['create ns/a 1 initial', 'create ns/b 1']);
  });

  it('gives every listener one order when a listener writes or subscribes', () => {
    const store = new ObjectStore<Widget>(widgetKind);
    const heard: string[][] = [[], [], []];
    store.subscribe((event) => {
      heard[0]!.push(describeEvent(event));
      if (event.type === 'create' && event.object.spec.value === '1') {
        store.apply(widget('ns/a', '2'));
        store.subscribe((nested) => heard[2]!.push(describeEvent(nested)));
      }
    });
    store.subscribe((event) => heard[1]!.push(describeEvent(event)));
    store.apply(widget('ns/a', '1'));
    expect(heard[0]).toEqual(['create ns/a 1 initial', 'update ns/a 1→2']);
    expect(heard[1]).toEqual(heard[0]);
    expect(heard[2]).toEqual(['create ns/a 2 initial']);
  });

  it('goes on when a listener throws, and says so', () => {
    const errors: unknown[] = [];
    const store = new ObjectStore<Widget>(widgetKind, (error) => errors.push(error));
    const heard: string[] = [];
    store.subscribe(() => {
      throw new Error('broken');
    });
    store.subscribe((event) => heard.push(describeEvent(event)));
    store.apply(widget('ns/a', '1'));
    expect([errors.length, heard.length]).toEqual([1, 1]);
  });

  it('leaves out of an index what its function cannot read, and says so', () => {
    const errors: unknown[] = [];
    const store = new ObjectStore<Widget>(widgetKind, (_error, what, name) => errors.push([what, name]));
    store.addIndex('value', (object) => [object.spec.value.toUpperCase()]);
    store.replace([widget('ns/a', 'x'), widget('ns/b', undefined as never), { ...widget('ns/c'), spec: { value: 7 as never } }]);
    expect(store.byIndex('value', 'X').map(objectName)).toEqual(['ns/a']);
    expect([store.size, errors]).toEqual([3, [['index "value"', 'ns/c']]]);
  });

  it('refuses an unknown index and a second one of a name', () => {
    const { store } = setup();
    store.addIndex('value', (object) => [object.spec.value]);
    expect(() => store.addIndex('value', () => [])).toThrow('the store of Widget has an index "value" already');
    expect(() => store.byIndex('other', 'x')).toThrow('the store of Widget has no index "other"');
  });

  it('waits for the sync, or for the signal', async () => {
    const { store } = setup();
    const stop = new AbortController();
    const waiting = store.waitForSync(stop.signal);
    const aborted = expect(waiting).rejects.toThrow('stop');
    stop.abort(new Error('stop'));
    await aborted;
    const again = store.waitForSync(new AbortController().signal);
    store.replace([]);
    await again;
    expect(store.hasSynced).toBe(true);
  });

  it('over random histories: reads and indexes equal a plain list, and events alone rebuild it', () => {
    const key = fc.constantFrom('x/a', 'x/b', 'y/a', 'y/b');
    const value = fc.constantFrom('1', '2', '3', '1,2');
    const step = fc.oneof(
      fc.record({ type: fc.constant('apply' as const), key, value }),
      fc.record({ type: fc.constant('delete' as const), key }),
      fc.record({ type: fc.constant('replace' as const), entries: fc.array(fc.tuple(key, value), { maxLength: 4 }) }),
      fc.record({ type: fc.constant('index' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const store = new ObjectStore<Widget>(widgetKind);
        const model = new Map<string, string>();
        const rebuilt = new Map<string, string>();
        store.subscribe((event) => {
          if (event.type === 'delete') rebuilt.delete(objectName(event.object));
          else if (event.type === 'create') rebuilt.set(objectName(event.object), event.object.spec.value);
          else if (event.type === 'update') rebuilt.set(objectName(event.objectNew), event.objectNew.spec.value);
        });
        let indexed = false;
        for (const now of steps) {
          if (now.type === 'apply') {
            store.apply(widget(now.key, now.value));
            model.set(now.key, now.value);
          } else if (now.type === 'delete') {
            store.delete(now.key);
            model.delete(now.key);
          } else if (now.type === 'replace') {
            store.replace(now.entries.map(([name, content]) => widget(name, content)));
            model.clear();
            for (const [name, content] of now.entries) model.set(name, content);
          } else if (!indexed) {
            store.addIndex('value', (object) => object.spec.value.split(','));
            indexed = true;
          }
          const sorted = (names: Iterable<string>) => [...names].sort();
          const where = (matches: (name: string, content: string) => boolean) =>
            sorted([...model].filter(([name, content]) => matches(name, content)).map(([name]) => name));
          expect(rebuilt).toEqual(model);
          expect(sorted(store.list().map(objectName))).toEqual(sorted(model.keys()));
          expect(sorted(store.list({ namespace: 'x' }).map(objectName))).toEqual(where((name) => name.startsWith('x/')));
          if (indexed) {
            expect(sorted(store.byIndex('value', '1').map(objectName))).toEqual(
              where((_, content) => content.split(',').includes('1')),
            );
          }
        }
      }),
    );
  });
});

describe('Cache', () => {
  it('has one store per kind, whatever the version', () => {
    const cache = new Cache();
    expect(cache.store({ ...widgetKind, version: 'v1beta1' })).toBe(cache.store(widgetKind));
    expect(cache.store({ ...widgetKind, group: 'other.example.com' })).not.toBe(cache.store(widgetKind));
  });

  it('is synced when every store is', async () => {
    const cache = new Cache();
    const other = cache.store({ ...widgetKind, kind: 'Gadget' });
    cache.store(widgetKind).replace([]);
    let synced = false;
    const waiting = cache.waitForSync(new AbortController().signal).then(() => {
      synced = true;
    });
    await Promise.resolve();
    expect(synced).toBe(false);
    other.replace([]);
    await waiting;
  });

  it('gives controllers a source that ends with the signal', async () => {
    const cache = new Cache();
    const store = cache.store(widgetKind);
    store.apply(widget('ns/a', '1'));
    const events: string[] = [];
    const stop = new AbortController();
    const source = informerSource(cache, widgetKind);
    await source.start((event) => events.push(describeEvent(event)), stop.signal);
    store.apply(widget('ns/a', '2'));
    stop.abort();
    store.apply(widget('ns/a', '3'));
    expect(events).toEqual(['create ns/a 1 initial', 'update ns/a 1→2']);
  });
});
