import { describe, expect, it } from 'vitest';
import { formatSelector } from './selector-query.ts';

describe('formatSelector', () => {
  it('writes every operator as the API server reads it', () => {
    const matchExpressions = [
      { key: 'a', operator: 'In', values: ['1', '2'] },
      { key: 'b', operator: 'NotIn', values: ['3'] },
      { key: 'c', operator: 'Exists' },
      { key: 'd', operator: 'DoesNotExist' },
    ] as const;
    expect(formatSelector({ matchLabels: { x: 'y', z: '' }, matchExpressions })).toBe('x=y,z=,a in (1,2),b notin (3),c,!d');
  });

  it('asks for nothing where everything matches', () => {
    expect(formatSelector()).toBeUndefined();
    expect(formatSelector({ matchLabels: {} })).toBeUndefined();
  });
});
