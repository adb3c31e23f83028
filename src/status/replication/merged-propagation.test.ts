import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../envoy/resource.ts';
import { Mesh } from '../../mesh/mesh.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import type { DirtyObjects, Propagation } from '../../xds/ledger.ts';
import { LineReader } from './line-reader.ts';
import { MergedPropagation } from './merged-propagation.ts';
import { addressOfIdentity, replicaIdentity } from './replica-identity.ts';
import { checkReplicaLine, maxLineBytes, type ObjectLine } from './replica-line.ts';

const key = 'ServiceEntry/shop/api';

function setup() {
  const clock = new FakeClock();
  const mesh = new Mesh();
  const local: Propagation = {
    affected: 2,
    acked: 2,
    rejected: 0,
    pending: 0,
    rejections: [],
    laggards: [],
    pendingSince: undefined,
    revision: 1,
    current: true,
  };
  const merged = new MergedPropagation({ local: { propagation: () => local, onDirty: () => () => {} }, mesh, clock });
  mesh.verdicts.set(key, { generation: 7, uid: 'u', outcome: 'accepted', findings: [], generationInForce: 7 });
  const told: DirtyObjects[] = [];
  merged.onDirty((objects) => told.push(objects));
  const line = (overrides: Partial<ObjectLine> = {}): ObjectLine => ({
    type: 'object',
    key,
    generation: 7,
    uid: 'u',
    served: true,
    affected: 3,
    acked: 3,
    rejected: 0,
    pending: 0,
    ...overrides,
  });
  return { clock, mesh, merged, told, line };
}

describe('MergedPropagation', () => {
  it('adds up replicas from when they have told everything until they leave', () => {
    const { merged, line, clock, told } = setup();
    const other = merged.join();
    other.take(line());
    expect(merged.propagation(key)).toMatchObject({ affected: 2, acked: 2 });
    other.take({ type: 'synced' });
    expect(merged.propagation(key)).toMatchObject({ affected: 5, acked: 5, pending: 0 });
    expect(merged.propagation(key).lagging).toBeUndefined();
    other.take(line({ acked: 2, pending: 1, pendingForMs: 4_000, laggards: ['shop/slow'] }));
    expect(merged.propagation(key)).toMatchObject({
      acked: 4,
      pending: 1,
      laggards: ['shop/slow'],
      pendingSince: clock.now() - 4_000,
    });
    other.leave();
    expect(merged.propagation(key)).toMatchObject({ affected: 2, acked: 2 });
    clock.advance(1_000);
    expect(told).toEqual([new Set([key]), 'all']);
  });

  it('counts a generation that one replica quarantined as quarantined, and trials together', () => {
    const { merged, line } = setup();
    const [one, two] = [merged.join(), merged.join()];
    for (const each of [one, two]) each.take({ type: 'synced' });
    one.take(line({ rollout: { stage: 'trial', proxies: 3, servedGeneration: 6 } }));
    two.take(line({ rollout: { stage: 'trial', proxies: 2 } }));
    expect(merged.propagation(key).rollout).toMatchObject({ stage: 'trial', proxies: 5 });
    two.take(line({ rollout: { stage: 'quarantined', message: 'no such filter' } }));
    expect(merged.propagation(key).rollout).toMatchObject({ stage: 'quarantined', message: 'no such filter' });
  });

  it('takes a patch that matches on any replica as one that matches', () => {
    const { merged, line } = setup();
    const [one, two] = [merged.join(), merged.join()];
    for (const each of [one, two]) each.take({ type: 'synced' });
    expect(merged.propagation(key).patches).toBeUndefined();
    one.take(line({ patches: { classes: 1, matched: [0], failed: [] } }));
    two.take(line({ patches: { classes: 2, matched: [2], failed: [[1, 'no such field']] } }));
    expect(merged.propagation(key).patches).toEqual({
      classes: 3,
      matched: new Set([0, 2]),
      failed: new Map([[1, 'no such field']]),
    });
  });

  it.each<[string, Partial<ObjectLine>, boolean]>([
    ['an older generation', { generation: 6 }, true],
    ['another object of the name', { uid: 'v' }, true],
    ['a generation that proxies are not served yet', { served: false }, true],
    ['a later generation', { generation: 8 }, false],
  ])('counts acknowledgements of %s as they are worth', (_what, row, isLagging) => {
    const { merged, line } = setup();
    const other = merged.join();
    other.take(line(row));
    other.take({ type: 'synced' });
    const { acked, pending, lagging = false } = merged.propagation(key);
    expect({ acked, pending, lagging }).toEqual(
      isLagging ? { acked: 2, pending: 3, lagging: true } : { acked: 5, pending: 0, lagging: false },
    );
  });

  it('takes a replica that has not heard of an object for one that lags', () => {
    const { merged, mesh, line } = setup();
    const other = merged.join();
    other.take({ type: 'synced' });
    expect(merged.propagation(key).lagging).toBe(true);
    other.take(line());
    mesh.verdicts.delete(key);
    expect(merged.propagation(key)).toMatchObject({ affected: 5, pending: 3, lagging: true });
    other.take({ type: 'object', key, served: true, affected: 1, acked: 0, rejected: 0, pending: 1 });
    expect(merged.propagation(key)).toMatchObject({ affected: 3, pending: 1 });
    other.take({ type: 'gone', key });
    expect(merged.propagation(key)).toMatchObject({ affected: 2, pending: 0 });
    expect(merged.propagation(key).lagging).toBeUndefined();
  });

  it('merges refusals by resource', () => {
    const { merged, line } = setup();
    const rejection = (resource: string, proxies: number, lastSeen: number) => ({
      typeUrl: typeUrls.cluster,
      resource,
      proxies,
      exampleProxy: 'shop/x',
      message: 'no',
      lastSeen,
      suspects: [key],
    });
    for (const rejections of [[rejection('a', 1, 5), rejection('b', 2, 1)], [rejection('a', 2, 3)]]) {
      const other = merged.join();
      other.take(line({ acked: 0, rejected: 3, rejections }));
      other.take({ type: 'synced' });
    }
    expect(merged.propagation(key)).toMatchObject({ affected: 8, rejected: 6 });
    expect(merged.propagation(key).rejections.map(({ resource, proxies, lastSeen }) => [resource, proxies, lastSeen])).toEqual([
      ['a', 3, 5],
      ['b', 2, 1],
    ]);
  });
});

describe('the stream of a replica', () => {
  it('is read in any pieces, and bounded', () => {
    const reader = new LineReader();
    const bytes = Buffer.from('{"type":"synced"}\n\n{"type":"gone","key":"é"}\n');
    const values = [...bytes].flatMap((byte) => [...reader.push(Buffer.from([byte]))]);
    expect(values.map(checkReplicaLine)).toEqual([{ type: 'synced' }, { type: 'gone', key: 'é' }]);
    expect(() => [...reader.push(Buffer.alloc(maxLineBytes + 1, 0x20))]).toThrow('longer than');
  });

  it.each([[{}], [null], [{ type: 'object', key: 'a' }], [{ type: 'object', key: 'a', served: true, affected: -1 }]])(
    'is not taken where it says %j',
    (value) => expect(() => checkReplicaLine(value)).toThrow('none of this protocol'),
  );
});

describe('replica identity', () => {
  it.each([
    ['weft-7d9_x', '10.0.0.1:15014'],
    ['weft', '[fd00::1]:15014'],
  ])('of %s carries %s', (pod, address) => {
    expect(addressOfIdentity(replicaIdentity(pod, address))).toBe(address);
  });

  it.each([['weft-0_f81d4fae-7dec-11d0-a765-00a0c91e6bf6'], ['weft'], ['weft_evil@host:80/x'], ['']])(
    'of %s has none',
    (identity) => {
      expect(addressOfIdentity(identity)).toBeUndefined();
    },
  );
});
