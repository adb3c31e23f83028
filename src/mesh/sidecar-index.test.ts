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

  it('names the older rival of one that claims the same', () => {
    const [first, second] = index.inNamespace('shop').filter((each) => !each.workloadSelector);
    expect(index.olderRival(second!)?.name).toBe('default');
    expect(index.olderRival(first!)).toBeUndefined();
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
