import { describe, expect, it } from 'vitest';
import type { Condition } from '../src/api/status.ts';
import type { ObjectStatus } from '../src/status/render-status.ts';
import { objectRows } from './object-rows.ts';

const startedAtMs = Date.parse('2026-01-01T00:00:00Z');
const at = (ms: number) => new Date(startedAtMs + ms).toISOString();

const condition = (type: string, status: Condition['status'], reason: string, message = ''): Condition => ({
  type,
  status,
  reason,
  message,
});
const accepted = condition('Accepted', 'True', 'Accepted');
const propagation = {
  generation: 2,
  summary: '',
  affected: 3,
  acked: 3,
  rejected: 0,
  pending: 0,
  startedAt: at(0),
  completedAt: at(42),
};

const row = (status: ObjectStatus, nowMs = startedAtMs) => objectRows({ ServiceEntry: { shop: { api: status } } }, nowMs)[0]!;

describe('objectRows', () => {
  it('shows an object that has got through', () => {
    const conditions = [accepted, condition('Ready', 'True', 'Propagated')];
    expect(row({ observedGeneration: 2, conditions, propagation })).toEqual({
      kind: 'ServiceEntry',
      object: 'shop/api',
      proxies: '3/3',
      ready: 'True',
      reason: 'Propagated',
      generation: '2',
      took: '42 ms',
      isAccepted: true,
      isFresh: true,
      problems: [],
    });
  });

  it('shows which generation still serves while the newest is invalid, and leaves the finding to the file', () => {
    const conditions = [condition('Accepted', 'False', 'Invalid', 'bad port'), condition('Ready', 'False', 'NotAccepted')];
    const shown = row({ observedGeneration: 3, conditions, propagation });
    expect(shown).toMatchObject({ reason: 'Invalid', generation: '3 (2 in force)', isAccepted: false, problems: [] });
  });

  it('shows a refusal, and says why on one line', () => {
    const conditions = [accepted, condition('Ready', 'False', 'ProxyRejected', 'cannot bind\n  port')];
    const shown = row({
      observedGeneration: 2,
      conditions,
      propagation: { ...propagation, acked: 1, rejected: 2, completedAt: undefined },
    });
    expect(shown).toMatchObject({ proxies: '1/3, 2 refused', ready: 'False', took: '' });
    expect(shown.problems).toEqual(['ServiceEntry shop/api: cannot bind port']);
  });

  it.each([
    ['a conflict', condition('Accepted', 'False', 'Conflicted', 'older wins'), ['ServiceEntry shop/api: older wins']],
    [
      'a reference that leads nowhere',
      condition('ResolvedRefs', 'False', 'HostNotFound', 'no host'),
      ['ServiceEntry shop/api: no host'],
    ],
    ['no change under way', condition('Ready', 'False', 'Propagating', 'one to go'), []],
  ])('tells of %s', (_, special, problems) => {
    const conditions = [special, ...[accepted].filter(({ type }) => type !== special.type)];
    expect(row({ conditions }).problems).toEqual(problems);
  });

  it('counts a change as fresh for three seconds', () => {
    const status = { conditions: [accepted], propagation };
    expect(row(status, startedAtMs + 2999).isFresh).toBe(true);
    expect(row(status, startedAtMs + 3000).isFresh).toBe(false);
  });

  it('shows an object that has no status yet', () => {
    expect(row({})).toMatchObject({ ready: 'Unknown', proxies: '0/0', reason: '', took: '', isFresh: false });
  });
});
