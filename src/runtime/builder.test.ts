import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { type ControllerHost, controllerManagedBy } from './builder.ts';
import { Cache } from './cache/cache.ts';
import { informerSource } from './cache/informer-source.ts';
import { enqueueRequestsFromMapFunc } from './event-handler.ts';
import { silentLogger } from './logger.ts';
import { generationChanged, objectMatches } from './predicate.ts';
import type { ResourceKind } from './resource-kind.ts';
import type { Runnable } from './runnable.ts';
import type { Source } from './source.ts';
import { FakeClock, settle } from './testing/fake-clock.ts';
import { type Widget, widget, widgetKind } from './testing/objects.ts';

const gadgetKind: ResourceKind<Widget> = { ...widgetKind, kind: 'Gadget', plural: 'gadgets' };
const partKind: ResourceKind<Widget> = { ...widgetKind, kind: 'Part', plural: 'parts' };

function createHost() {
  const cache = new Cache();
  const added: Runnable[] = [];
  const host: ControllerHost = {
    logger: silentLogger,
    clock: new FakeClock(),
    registry: new Registry(),
    sourceOf: (kind) => informerSource(cache, kind),
    add: (runnable) => void added.push(runnable),
  };
  return { host, cache, added };
}

const owned = (key: string, owner: string, controller: boolean) =>
  widget(key, '', {
    ownerReferences: [{ apiVersion: 'example.com/v1beta1', kind: 'Widget', name: owner, uid: '1', controller }],
  });

const group = 'everyReplica' as const;

describe('controller builder', () => {
  it('reconciles objects, their owners and what handlers name', async () => {
    const { host, cache, added } = createHost();
    const seen: string[] = [];
    const source: Source<Widget> = {
      name: 'raw',
      start: (listen) => listen({ type: 'generic', object: widget('ns/raw', 'from-raw') }),
    };
    const toValue = enqueueRequestsFromMapFunc<Widget>(({ spec }) => [`ns/${spec.value}`]);
    const controller = controllerManagedBy(host)
      .for(widgetKind)
      .owns(gadgetKind)
      .watches(partKind, toValue)
      .watches(source, toValue)
      .withOptions({ group, maxConcurrentReconciles: 2 })
      .complete(({ name }) => {
        seen.push(name);
        return {};
      });
    expect(added).toEqual([controller]);
    expect(controller.name).toBe('widget');
    for (const kind of [widgetKind, gadgetKind, partKind]) cache.store(kind).replace([]);
    const stop = new AbortController();
    const run = controller.start(stop.signal);
    await settle();
    cache.store(widgetKind).apply(widget('ns/a'));
    cache.store(gadgetKind).apply(owned('ns/g1', 'owner', true));
    cache.store(gadgetKind).apply(owned('ns/g2', 'no-controller', false));
    cache.store(partKind).apply(widget('ns/p', 'from-part'));
    await settle();
    expect(seen.sort()).toEqual(['ns/a', 'ns/from-part', 'ns/from-raw', 'ns/owner']);
    stop.abort();
    await run;
  });

  it('filters the events of kinds by predicates, those of all kinds and those of one', async () => {
    const { host, cache } = createHost();
    const seen: string[] = [];
    const controller = controllerManagedBy(host)
      .for(widgetKind, generationChanged)
      .owns(gadgetKind, { matchEveryOwner: true })
      .withEventFilter(objectMatches(({ metadata }) => metadata.namespace === 'ns'))
      .named('filtered')
      .withOptions({ group })
      .complete(({ name }) => {
        seen.push(name);
        return {};
      });
    expect(controller.name).toBe('filtered');
    cache.store(widgetKind).replace([widget('ns/a', '', { resourceVersion: '1', generation: 1 })]);
    cache.store(gadgetKind).replace([]);
    const stop = new AbortController();
    const run = controller.start(stop.signal);
    await settle();
    cache.store(widgetKind).apply(widget('ns/a', '', { resourceVersion: '2', generation: 1 }));
    cache.store(widgetKind).apply(widget('other/b', '', { resourceVersion: '3' }));
    cache.store(gadgetKind).apply(owned('ns/g', 'any-owner', false));
    await settle();
    expect(seen, 'the first list, and the update of none').toEqual(['ns/a', 'ns/any-owner']);
    stop.abort();
    await run;
  });

  it('says what is missing', () => {
    const { host } = createHost();
    const nothing = () => ({});
    expect(() => controllerManagedBy(host).complete(nothing)).toThrow('call for() or named()');
    expect(() => controllerManagedBy(host).for(widgetKind).complete(nothing)).toThrow('withOptions({ group })');
    expect(() => controllerManagedBy(host).named('x').withOptions({ group }).complete(nothing)).toThrow('watches nothing');
    expect(() => controllerManagedBy(host).named('x').owns(widgetKind).withOptions({ group }).complete(nothing)).toThrow(
      'needs for()',
    );
    expect(() => controllerManagedBy(host).for(widgetKind).for(gadgetKind)).toThrow('for(Gadget)');
  });
});
