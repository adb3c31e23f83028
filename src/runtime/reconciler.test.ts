import { expect, it } from 'vitest';
import { isTerminal, TerminalError } from './reconciler.ts';

it('finds a TerminalError among the causes and what is joined, and ends on a ring of them', () => {
  const ring = new Error('a');
  ring.cause = new Error('b', { cause: ring });
  expect(isTerminal(new TerminalError('x'))).toBe(true);
  expect(isTerminal(new Error('outer', { cause: new TerminalError('x') }))).toBe(true);
  expect(isTerminal(new AggregateError([new Error('x'), new Error('y', { cause: new TerminalError('z') })]))).toBe(true);
  expect(isTerminal(new AggregateError([new Error('x'), 'y']))).toBe(false);
  expect([new Error('x'), 'x', undefined, ring].map(isTerminal)).toEqual([false, false, false, false]);
});
