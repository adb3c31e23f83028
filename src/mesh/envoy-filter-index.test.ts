import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EnvoyFilter } from './envoy-filter.ts';
import { compareEnvoyFilters, EnvoyFilterIndex } from './envoy-filter-index.ts';

const filter = (namespace: string, name: string, extra: Partial<EnvoyFilter> = {}): EnvoyFilter => ({
  key: `EnvoyFilter/${namespace}/${name}`,
  namespace,
  name,
  version: '1',
  generation: 1,
  createdAtMs: 0,
  priority: 0,
  hasTargetRefs: false,
  patches: [],
  ...extra,
});

describe('EnvoyFilterIndex', () => {
  const index = new EnvoyFilterIndex();
  for (const each of [
    filter('shop', 'younger', { createdAtMs: 9 }),
    filter('shop', 'b'),
    filter('shop', 'a'),
    filter('shop', 'early', { priority: -1, createdAtMs: 10 }),
    filter('shop', 'web', { workloadSelector: { app: 'web' }, priority: 5 }),
    filter('shop', 'gateway', { hasTargetRefs: true }),
    filter('shop', 'everyone', { workloadSelector: {}, priority: 9 }),
    filter('root', 'mesh', { priority: 100 }),
    filter('root', 'mesh-web', { priority: 99, workloadSelector: { app: 'web' } }),
  ]) {
    index.put(each);
  }
  const select = (namespace: string, labels: Record<string, string>) =>
    index.select(namespace, labels, 'root').map(({ name }) => name);

  it('answers the root namespace first, each by priority, age and name', () => {
    expect(select('shop', { app: 'web' })).toEqual(['mesh-web', 'mesh', 'early', 'a', 'b', 'younger', 'web', 'everyone']);
    expect(select('shop', { app: 'api' })).toEqual(['mesh', 'early', 'a', 'b', 'younger', 'everyone']);
    expect(select('elsewhere', {})).toEqual(['mesh']);
    expect(select('root', { app: 'web' })).toEqual(['mesh-web', 'mesh']);
  });

  it('equals sorting what is there, after any puts and deletes', () => {
    const step = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      isDelete: fc.boolean(),
      priority: fc.nat(2),
      createdAtMs: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const kept = new EnvoyFilterIndex();
        const present = new Map<string, EnvoyFilter>();
        for (const { name, isDelete, ...rest } of steps) {
          const each = filter('shop', name, rest);
          if (isDelete) kept.delete(each.key);
          else kept.put(each);
          if (isDelete) present.delete(each.key);
          else present.set(each.key, each);
        }
        expect(kept.inNamespace('shop')).toEqual([...present.values()].sort(compareEnvoyFilters));
        expect(kept.size).toBe(present.size);
      }),
    );
  });
});
