import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findCycles } from './find-cycles.ts';

describe('findCycles', () => {
  const find = (edges: Record<string, string[]>) => findCycles(new Map(Object.entries(edges)));

  it('finds none where imports go one way', () => {
    expect(find({ a: ['b', 'c'], b: ['c'], c: ['outside'] })).toEqual([]);
  });

  it('finds a file that imports itself', () => expect(find({ a: ['a'] })).toEqual([['a']]));

  it('finds the shortest way round, once', () => {
    expect(find({ a: ['b'], b: ['c', 'd'], c: ['d'], d: ['a'] })).toEqual([['a', 'b', 'd']]);
  });

  it('finds every group of its own', () => {
    expect(find({ a: ['b'], b: ['a', 'c'], c: ['d'], d: ['c'] })).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('answers with ways that exist, and with none exactly where files can be put in order', () => {
    const graph = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })), { maxLength: 14 });
    fc.assert(
      fc.property(graph, (pairs) => {
        const edges = new Map<string, string[]>();
        for (const [from, to] of pairs) edges.set(`${from}`, [...(edges.get(`${from}`) ?? []), `${to}`]);
        const cycles = findCycles(edges);
        for (const cycle of cycles) {
          for (const [index, file] of cycle.entries()) expect(edges.get(file)).toContain(cycle[(index + 1) % cycle.length]);
        }
        expect(cycles.length === 0).toBe(canBeOrdered(edges));
      }),
    );
  });
});

/** Whether files can be taken away one by one, each importing nothing that is still there. */
function canBeOrdered(edges: ReadonlyMap<string, string[]>): boolean {
  const left = new Map(edges);
  for (;;) {
    const free = [...left].filter(([, targets]) => !targets.some((target) => left.has(target)));
    if (free.length === 0) return left.size === 0;
    for (const [file] of free) left.delete(file);
  }
}
