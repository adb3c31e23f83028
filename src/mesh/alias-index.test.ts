import { expect, it } from 'vitest';
import { AliasIndex } from './alias-index.ts';
import type { ServiceSpec } from './service.ts';

const alias = (hostname: string, aliasOf: string): ServiceSpec => ({
  hostname,
  aliasOf,
  owner: `Service/x/${hostname}`,
  namespace: 'x',
  registry: 'Kubernetes',
  createdAtMs: 0,
  resolution: 'NONE',
  isExternal: true,
  visibility: { kind: 'all' },
  addresses: [],
  ports: [],
  wantsAddresses: false,
  recordedAddresses: [],
});

const namesOf = (index: AliasIndex, hostname: string) => index.aliasesOf(hostname).map((spec) => spec.hostname);

it('a chain of names belongs to the host at its end, and tells each host on the way when it changes', () => {
  const index = new AliasIndex();
  expect(index.add(alias('b', 'end'))).toEqual(['b', 'end']);
  const far = alias('c', 'b');
  expect(index.add(far)).toEqual(['c', 'b', 'end']);
  index.add(alias('a', 'end'));
  expect(namesOf(index, 'end')).toEqual(['a', 'b', 'c']);
  expect(namesOf(index, 'b')).toEqual([]);
  expect(index.remove(far)).toEqual(['c', 'b', 'end']);
  expect(namesOf(index, 'end')).toEqual(['a', 'b']);
});

it('a name that comes into the middle takes the ones behind it along', () => {
  const index = new AliasIndex();
  index.add(alias('a', 'b'));
  expect(namesOf(index, 'b')).toEqual(['a']);
  expect(index.add(alias('b', 'end'))).toContain('b');
  expect(namesOf(index, 'b')).toEqual([]);
  expect(namesOf(index, 'end')).toEqual(['a', 'b']);
});

it('a circle belongs to nobody', () => {
  const index = new AliasIndex();
  for (const spec of [alias('a', 'b'), alias('b', 'c'), alias('c', 'a'), alias('self', 'self')]) index.add(spec);
  for (const host of ['a', 'b', 'c', 'self']) expect(namesOf(index, host), host).toEqual([]);
});
