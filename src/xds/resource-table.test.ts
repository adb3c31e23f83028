import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../envoy/resource.ts';
import { ResourceTable } from './resource-table.ts';
import { fakeResource } from './testing/fake-classes.ts';

const resource = (name: string, body = '') => fakeResource(typeUrls.cluster, name, body);
const names = (resources: Iterable<{ name: string }>) => [...resources].map(({ name }) => name).sort();

describe('ResourceTable', () => {
  it('says what changed since a revision, the newest state only', () => {
    const table = new ResourceTable(typeUrls.cluster, 1);
    table.set(resource('a'), 2);
    table.set(resource('b'), 3);
    table.set(resource('a', 'new'), 4);
    expect(table.since(2)).toEqual({ changed: [resource('b'), resource('a', 'new')], removed: [] });
    expect(table.since(3)).toEqual({ changed: [resource('a', 'new')], removed: [] });
    expect(table.since(4)).toEqual({ changed: [], removed: [] });
    expect(table.revision).toBe(4);
  });

  it('keeps quiet about the same bytes again, but takes over who they come from', () => {
    const table = new ResourceTable(typeUrls.cluster, 1);
    table.set(resource('a'), 2);
    const again = fakeResource(typeUrls.cluster, 'a', '', { provenance: ['ServiceEntry/x/y'] });
    expect(table.set(again, 3)).toBe(false);
    expect(table.revision).toBe(2);
    expect(table.get('a')).toBe(again);
    expect(table.since(1)?.changed).toEqual([again]);
  });

  it('tells a removal with what it was, and a name that came back as changed', () => {
    const table = new ResourceTable(typeUrls.cluster, 1);
    table.set(resource('a'), 2);
    table.set(resource('b'), 2);
    expect(table.delete('a', 3)).toEqual(resource('a'));
    expect(table.delete('nothing', 3)).toBeUndefined();
    expect(table.since(2)).toEqual({ changed: [], removed: [resource('a')] });
    table.set(resource('a'), 4);
    expect(table.since(2)).toEqual({ changed: [resource('a')], removed: [] });
  });

  it('forgets the oldest removals in time and says so, but never those of the newest revision', () => {
    const table = new ResourceTable(typeUrls.cluster, 0);
    for (let index = 0; index < 5000; index++) table.set(resource(`r${index}`), 1);
    for (let index = 0; index < 5000; index++) table.delete(`r${index}`, 2);
    expect(table.since(1)?.removed).toHaveLength(5000);
    table.set(resource('last'), 3);
    table.delete('last', 4);
    expect(table.since(1)).toBeUndefined();
    expect(names(table.since(3)!.removed)).toEqual(['last']);
  });

  it('answers every revision as a full history would, over random histories', () => {
    const step = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      body: fc.option(fc.constantFrom('1', '2')),
      advance: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new ResourceTable(typeUrls.cluster, 0);
        const model = new Map<string, string>();
        const snapshots: Map<string, string>[] = [new Map()];
        let revision = 1;
        for (const { name, body, advance } of steps) {
          if (body === null) {
            table.delete(name, revision);
            model.delete(name);
          } else {
            table.set(resource(name, body), revision);
            model.set(name, resource(name, body).version);
          }
          snapshots[revision] = new Map(model);
          if (advance) revision++;
        }
        expect(new Map(Array.from(table.values(), ({ name, version }) => [name, version]))).toEqual(model);
        snapshots.forEach((snapshot, since) => {
          const delta = table.since(since)!;
          const held = new Map(snapshot);
          for (const { name, version } of delta.changed) held.set(name, version);
          for (const { name } of delta.removed) held.delete(name);
          expect(held).toEqual(model);
        });
      }),
    );
  });
});
