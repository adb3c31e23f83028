import fc from 'fast-check';
import { applyPatch } from 'rfc6902';
import { describe, expect, it } from 'vitest';
import { diffObjects } from './json-patch.ts';

const apply = (before: unknown, after: unknown): unknown => {
  const holder = { root: structuredClone(before) };
  const steps = diffObjects(before, after).map((step) => ({ ...step, path: `/root${step.path}` }));
  expect(applyPatch(holder, steps as never).filter((problem) => problem !== null)).toEqual([]);
  return holder.root;
};

const named = (...names: string[]) => names.map((name) => ({ name }));

describe('the patch of an injected pod', () => {
  it('escapes keys', () => {
    const before = { metadata: { annotations: { 'a/b': '1', 'c~d': '1', 'e~1f': '1' } } };
    const after = { metadata: { annotations: { 'a/b': '2', 'c~d': '2', 'sidecar.istio.io/status': '{}' } } };
    expect(diffObjects(before, after)).toEqual([
      { op: 'remove', path: '/metadata/annotations/e~01f' },
      { op: 'add', path: '/metadata/annotations/sidecar.istio.io~1status', value: '{}' },
      { op: 'replace', path: '/metadata/annotations/a~1b', value: '2' },
      { op: 'replace', path: '/metadata/annotations/c~0d', value: '2' },
    ]);
    expect(apply(before, after)).toEqual(after);
  });

  it('adds containers before, between and after those that are there, and changes those in place', () => {
    const before = {
      containers: [
        { name: 'a', image: 'a' },
        { name: 'b', image: 'b' },
      ],
    };
    const after = {
      containers: [{ name: 'x' }, { name: 'a', image: 'a' }, { name: 'y' }, { name: 'b', image: 'c' }, { name: 'z' }],
    };
    expect(diffObjects(before, after)).toEqual([
      { op: 'add', path: '/containers/0', value: { name: 'x' } },
      { op: 'add', path: '/containers/2', value: { name: 'y' } },
      { op: 'replace', path: '/containers/3/image', value: 'c' },
      { op: 'add', path: '/containers/4', value: { name: 'z' } },
    ]);
    expect(apply(before, after)).toEqual(after);
  });

  it.each([
    ['removed', named('a', 'b', 'c', 'd'), named('b', 'd')],
    ['removed and added', named('a', 'b', 'c'), named('x', 'b', 'y')],
    ['in another order', named('a', 'b', 'c'), named('c', 'a', 'b')],
    ['of the same name twice', named('a', 'a', 'b'), named('a', 'b', 'a', 'c')],
    ['all gone', named('a', 'b'), []],
    ['without names', ['a', 1, null, [1, 2]], [1, 'a', null, [2], { x: 1 }]],
  ])('is right where elements are %s', (_, before, after) => {
    expect(apply({ list: before }, { list: after })).toEqual({ list: after });
  });

  it('is right for any two JSON values', () => {
    const element = fc.oneof(
      fc.jsonValue(),
      fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd', '/', '~'), v: fc.jsonValue() }),
    );
    const value = fc.oneof(fc.jsonValue(), fc.record({ list: fc.array(element) }), fc.array(element));
    fc.assert(
      fc.property(value, value, (before, after) => {
        // `-0` is 0 in JSON.
        const [from, to] = [before, after].map((each) => JSON.parse(JSON.stringify(each)));
        // The library that applies it here assigns keys, and so loses this one.
        fc.pre(!JSON.stringify([from, to]).includes('__proto__'));
        expect(apply(from, to)).toEqual(to);
      }),
      { numRuns: 500 },
    );
  });

  it('has steps for a key named __proto__ too', () => {
    const [none, one, other] = ['{}', '{"__proto__":1}', '{"__proto__":2}'].map((text) => JSON.parse(text));
    expect(diffObjects(none, one)).toEqual([{ op: 'add', path: '/__proto__', value: 1 }]);
    expect(diffObjects(one, other)).toEqual([{ op: 'replace', path: '/__proto__', value: 2 }]);
    expect(diffObjects(one, none)).toEqual([{ op: 'remove', path: '/__proto__' }]);
  });

  it('takes long lists that differ everywhere', () => {
    const list = (mark: string, length: number) =>
      Array.from({ length }, (_, index) => ({ name: `${mark}${index}`, value: [mark] }));
    for (const [before, after] of [
      [list('a', 20_000), list('b', 20_001)],
      [Array.from({ length: 100_000 }, (_, i) => i), Array.from({ length: 100_001 }, (_, i) => i + 1)],
    ] as const)
      expect(apply({ before: before }, { before: after })).toEqual({ before: after });
  });
});
