import { describe, expect, it } from 'vitest';
import { deriveEvents } from './object-events.ts';
import type { ObjectStatus } from './render-status.ts';

type Reasons = Readonly<Record<string, readonly ['True' | 'False', string, string?]>>;

function status(generation: number, reasons: Reasons, rest: Partial<ObjectStatus> = {}, counts = {}): ObjectStatus {
  return {
    observedGeneration: generation,
    conditions: Object.entries(reasons).map(([type, [status, reason, message = reason]]) => ({
      type,
      status,
      reason,
      message,
      observedGeneration: generation,
    })),
    propagation: {
      generation,
      summary: '',
      affected: 120,
      acked: 120,
      rejected: 0,
      pending: 0,
      startedAt: '2026-01-01T00:00:00.000Z',
      completedAt: '2026-01-01T00:00:01.800Z',
      ...counts,
    },
    ...rest,
  };
}

const ready = (generation: number, rest: Partial<ObjectStatus> = {}, counts = {}) =>
  status(generation, { Accepted: ['True', 'Accepted'], Ready: ['True', 'Propagated'] }, rest, counts);
const underway = (generation: number) =>
  status(generation, { Accepted: ['True', 'Accepted'], Ready: ['False', 'Propagating'] }, {}, { acked: 3, pending: 117 });
const rejected = (generation: number, message = 'no such thing', proxies = 1) =>
  status(
    generation,
    { Accepted: ['True', 'Accepted'], Ready: ['False', 'ProxyRejected', `${proxies} of 120 rejected it: ${message}`] },
    {},
    { rejected: proxies, rejections: [{ typeUrl: 'cds', resource: 'a', proxies, message }] },
  );

const told = (before: ObjectStatus | undefined, after: ObjectStatus) =>
  deriveEvents(before, after).map(({ type, reason, note }) => `${type} ${reason}: ${note}`);

describe('deriveEvents', () => {
  it('tells the way of a generation', () => {
    expect(told(undefined, underway(7))).toEqual(['Normal Accepted: generation 7 is accepted and in force']);
    expect(told(underway(7), ready(7))).toEqual(['Normal Propagated: generation 7 acknowledged by 120 proxies in 1.8 s']);
    expect(told(ready(6), ready(7))).toEqual(['Normal Propagated: generation 7 acknowledged by 120 proxies in 1.8 s']);
    expect(told(ready(6), ready(6, {}, { affected: 1, acked: 1 }))).toEqual([]);
    expect(told(underway(7), ready(7, {}, { affected: 1, acked: 1 }))[0]).toContain('by 1 proxy in');
  });

  it('says nothing of reaching no one', () => {
    expect(told(ready(6), ready(7, {}, { affected: 0, acked: 0 }))).toEqual([]);
  });

  it('tells a refusal once, again when it is another one, and its end', () => {
    expect(told(underway(7), rejected(7))).toEqual(['Warning ProxyRejected: 1 of 120 rejected it: no such thing']);
    expect(told(rejected(7), rejected(7, 'no such thing', 2))).toEqual([]);
    expect(told(rejected(7), rejected(7, 'another'))).toEqual(['Warning ProxyRejected: 1 of 120 rejected it: another']);
    expect(told(rejected(7), ready(7))).toEqual(['Normal Recovered: generation 7 acknowledged by 120 proxies after all']);
    expect(told(rejected(7), ready(8))).toEqual(['Normal Propagated: generation 8 acknowledged by 120 proxies in 1.8 s']);
  });

  it.each([
    ['Accepted', 'Invalid', 'Invalid'],
    ['Accepted', 'Conflicted', 'Conflicted'],
    ['Accepted', 'Unsupported', 'Unsupported'],
    ['ResolvedRefs', 'PatchTargetNotFound', 'PatchNotApplied'],
    ['AddressAllocated', 'AddressPoolExhausted', 'AddressPoolExhausted'],
    ['Programmed', 'Quarantined', 'Quarantined'],
    ['Ready', 'ProxiesStale', 'PropagationStalled'],
    ['Stalled', 'ProgressDeadlineExceeded', 'PropagationStalled'],
  ])('warns of %s %s as %s, once for each generation', (type, reason, event) => {
    const one = (generation: number) => status(generation, { [type]: ['False', reason, 'why'] });
    expect(told(undefined, one(1))).toEqual([`Warning ${event}: why`]);
    expect(told(one(1), one(1))).toEqual([]);
    expect(told(one(1), one(2))).toEqual([`Warning ${event}: why`]);
  });

  it('tells of acceptance after a refusal to accept', () => {
    const invalid = status(1, { Accepted: ['False', 'Invalid'] });
    expect(told(invalid, underway(2))).toEqual(['Normal Accepted: generation 2 is accepted and in force']);
  });

  it('names allocated addresses', () => {
    const addresses = [{ host: 'a.example.com', value: '240.240.0.1' }];
    expect(told(ready(1), ready(1, { addresses }))).toEqual(['Normal AddressAllocated: a.example.com 240.240.0.1']);
    expect(told(ready(1, { addresses }), ready(1, { addresses }))).toEqual([]);
  });
});
