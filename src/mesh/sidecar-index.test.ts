import { describe, expect, it } from 'vitest';
import type { Sidecar } from './sidecar.ts';
import { matchesHost } from './sidecar.ts';
import { SidecarIndex } from './sidecar-index.ts';

const sidecar = (namespace: string, name: string, createdAtMs: number, workloadSelector?: Record<string, string>): Sidecar => ({
  key: `Sidecar/${namespace}/${name}`,
  namespace,
  name,
  createdAtMs,
  ...(workloadSelector ? { workloadSelector } : {}),
  egress: [],
  ingress: [],
});

describe('SidecarIndex', () => {
  const index = new SidecarIndex();
  const select = (namespace: string, labels: Record<string, string>) => index.select(namespace, labels, 'root')?.name;
  for (const each of [
    sidecar('root', 'mesh-default', 1),
    sidecar('root', 'mesh-selected', 0, { app: 'web' }),
    sidecar('shop', 'young', 9, { app: 'web' }),
    sidecar('shop', 'old', 2, { app: 'web', tier: 'one' }),
    sidecar('shop', 'default', 5),
    sidecar('shop', 'second-default', 6),
  ]) {
    index.put(each);
  }

  it.each([
    ['a selector before the default', 'shop', { app: 'web' }, 'young'],
    ['of two selectors the older', 'shop', { app: 'web', tier: 'one' }, 'old'],
    ["the namespace's default, of two the older", 'shop', { app: 'db' }, 'default'],
    ["the root namespace's default, never its selectors", 'other', { app: 'web' }, 'mesh-default'],
    ['in the root namespace its own selectors count', 'root', { app: 'web' }, 'mesh-selected'],
  ])('%s', (_, namespace, labels, expected) => {
    expect(select(namespace, labels as Record<string, string>)).toBe(expected);
  });

  describe('names what leaves a Sidecar no workload', () => {
    const web = { app: 'web' };
    it.each<[string, string, [string, number, Record<string, string>?][], string | undefined]>([
      [
        'an older one of the same selector',
        'shop',
        [
          ['old', 1, web],
          ['new', 2, { ...web }],
        ],
        'old is older and claims the same',
      ],
      [
        'an older one that asks for less',
        'shop',
        [
          ['old', 1, web],
          ['new', 2, { ...web, tier: 'one' }],
        ],
        'old is older and selects every workload that this one does',
      ],
      [
        'not one that asks for more',
        'shop',
        [
          ['old', 1, { ...web, tier: 'one' }],
          ['new', 2, web],
        ],
        undefined,
      ],
      [
        'not one that overlaps',
        'shop',
        [
          ['old', 1, { tier: 'one' }],
          ['new', 2, web],
        ],
        undefined,
      ],
      [
        'not a younger one',
        'shop',
        [
          ['new', 1, web],
          ['young', 2, web],
        ],
        undefined,
      ],
      [
        'the older of two without a selector',
        'shop',
        [
          ['old', 1],
          ['new', 2],
        ],
        'old is older and claims the same',
      ],
      [
        'of the same age by name',
        'shop',
        [
          ['a', 1],
          ['new', 1],
        ],
        'a is older and claims the same',
      ],
      [
        'an empty selector before none, though younger',
        'shop',
        [
          ['new', 1],
          ['every', 2, {}],
        ],
        'every has a selector, which goes before none, and selects every workload',
      ],
      [
        'but not the default of the mesh, which is for other namespaces too',
        'root',
        [
          ['new', 1],
          ['every', 2, {}],
        ],
        undefined,
      ],
      [
        'an older empty selector',
        'shop',
        [
          ['every', 1, {}],
          ['new', 2, web],
        ],
        'every is older and selects every workload that this one does',
      ],
    ])('%s', (_, namespace, objects, expected) => {
      const some = new SidecarIndex();
      for (const [name, age, selector] of objects) some.put(sidecar(namespace, name, age, selector));
      const rival = some.rivalOf(some.inNamespace(namespace).find(({ name }) => name === 'new')!, 'root');
      expect(rival && `${rival.key.split('/').pop()} ${rival.why}`).toBe(expected);
    });
  });

  it('forgets what is deleted', () => {
    index.delete('Sidecar/root/mesh-default', 'root');
    expect(select('other', {})).toBeUndefined();
  });
});

it.each([
  ['*', 'a.example.com', true],
  ['a.example.com', 'a.example.com', true],
  ['*.example.com', 'a.example.com', true],
  ['*.example.com', 'a.b.example.com', true],
  ['*.example.com', '*.example.com', true],
  ['*.example.com', 'example.com', false],
  ['*.b.example.com', '*.example.com', false],
  ['a.example.com', 'b.example.com', false],
])('matchesHost(%s, %s) is %s', (pattern, host, expected) => {
  expect(matchesHost(pattern, host)).toBe(expected);
});
