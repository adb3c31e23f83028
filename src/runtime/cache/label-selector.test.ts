import { describe, expect, it } from 'vitest';
import { hasLabels, type LabelSelector, matchesSelector } from './label-selector.ts';

const labels = { app: 'web', tier: 'front' };

describe('matchesSelector', () => {
  it.each<[LabelSelector, boolean]>([
    [{}, true],
    [{ matchLabels: { app: 'web' } }, true],
    [{ matchLabels: { app: 'web', tier: 'back' } }, false],
    [{ matchLabels: { constructor: 'x' } }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'api'] }] }, true],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: [] }] }, false],
    [{ matchExpressions: [{ key: 'none', operator: 'In', values: ['web'] }] }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, false],
    [{ matchExpressions: [{ key: 'none', operator: 'NotIn', values: ['web'] }] }, true],
    [{ matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, true],
    [{ matchExpressions: [{ key: 'toString', operator: 'Exists' }] }, false],
    [{ matchExpressions: [{ key: 'none', operator: 'DoesNotExist' }] }, true],
    [{ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'Gt' as 'In', values: ['1'] }] }, false],
  ])('%j', (selector, expected) => {
    expect(matchesSelector(selector, labels)).toBe(expected);
  });
});

it('hasLabels: an object without labels has all of none', () => {
  expect([hasLabels(undefined, {}), hasLabels(undefined, { a: 'b' }), hasLabels({ a: 'b' }, { a: 'b' })]).toEqual([
    true,
    false,
    true,
  ]);
});
