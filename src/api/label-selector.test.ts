import { expect, it } from 'vitest';
import { readLabelSelector } from './label-selector.ts';

it('keeps what the selector says, and nothing where it says nothing', () => {
  const selector = {
    matchLabels: { mesh: 'on' },
    matchExpressions: [
      { key: 'team', operator: 'In', values: ['a'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  };
  expect(readLabelSelector(selector)).toEqual({ selector });
  expect(readLabelSelector({})).toEqual({ selector: {} });
  expect(readLabelSelector({ matchLabels: null })).toEqual({ selector: {} });
});

it.each([
  ['mesh', '', 'expected a map of matchLabels and matchExpressions, found "mesh"'],
  [{ matchLabel: {} }, 'matchLabel', 'is no field of a label selector; it takes matchLabels and matchExpressions'],
  [{ matchLabels: ['a'] }, 'matchLabels', 'expected a map of labels, found ["a"]'],
  [{ matchLabels: { mesh: true } }, 'matchLabels.mesh', 'expected a string, found true; put it in quotes'],
  [{ matchExpressions: {} }, 'matchExpressions', 'expected a list, found {}'],
  [{ matchExpressions: ['a'] }, 'matchExpressions[0]', 'expected a map of key, operator and values, found "a"'],
  [{ matchExpressions: [{ key: '', operator: 'Exists' }] }, 'matchExpressions[0].key', 'expected the name of a label'],
  [
    { matchExpressions: [{ key: 'a', operator: 'exists' }] },
    'matchExpressions[0].operator',
    'expected one of In, NotIn, Exists, DoesNotExist, found "exists"',
  ],
  [{ matchExpressions: [{ key: 'a', operator: 'In' }] }, 'matchExpressions[0].values', 'In needs at least one value'],
  [
    { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] },
    'matchExpressions[0].values',
    'Exists takes no values',
  ],
  [
    { matchExpressions: [{ key: 'a', operator: 'NotIn', values: [1] }] },
    'matchExpressions[0].values',
    'expected a list of strings, found [1]',
  ],
])('%j is refused at %s', (value, path, message) => {
  expect(readLabelSelector(value)).toEqual({ problems: [{ path, message }] });
});
