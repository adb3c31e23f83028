import { describe, expect, it } from 'vitest';
import { silentLogger } from '../logger.ts';
import { settle } from '../testing/fake-clock.ts';
import { RecordingRunnable, type RunnableJournal } from '../testing/runnables.ts';
import { RunnableGroup } from './runnable-group.ts';

function createGroup() {
  const errors: Error[] = [];
  const journal: RunnableJournal = [];
  const group = new RunnableGroup({ name: 'everyReplica', logger: silentLogger, onError: (error) => errors.push(error) });
  const add = (name: string, options?: { held?: boolean; ready?: boolean }) => {
    const runnable = new RecordingRunnable(name, 'everyReplica', journal, options);
    group.add(runnable);
    return runnable;
  };
  return { group, add, journal, errors };
}

const never = new Promise(() => {});

describe('runnable group', () => {
  it('waits for all who were there before the start and starts later ones at once', async () => {
    const { group, add, journal } = createGroup();
    const slow = add('slow', { ready: false });
    add('quick');
    let started = false;
    const start = group.start().then(() => {
      started = true;
    });
    await settle();
    expect(journal).toEqual(['start slow', 'start quick']);
    expect(started).toBe(false);
    slow.becomeReady();
    await start;
    add('late');
    expect(journal.at(-1)).toBe('start late');
    await group.stop(never);
    expect(group.running).toEqual([]);
    expect(journal.slice(3).sort()).toEqual(['stop late', 'stop quick', 'stop slow']);
    expect(() => add('too late')).toThrow('too late');
  });

  it('reports who fails, at the start or later, and nobody who ends by itself or is told to', async () => {
    const { group, add, errors } = createGroup();
    const a = add('a');
    const b = add('b');
    group.add({ name: 'c', group: 'everyReplica', start: () => Promise.reject(new Error('port taken')) });
    group.add({
      name: 'd',
      group: 'everyReplica',
      start: (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    });
    await group.start();
    a.end();
    await settle();
    expect(errors.map(({ message }) => message)).toEqual(['c failed: port taken']);
    b.end(new Error('disk full'));
    await settle();
    expect(errors[1]).toMatchObject({ message: 'b failed: disk full', cause: { message: 'disk full' } });
    await group.stop(never, new Error('stop'));
    expect(errors).toHaveLength(2);
  });

  it('does not wait longer than the deadline and names who is late', async () => {
    const { group, add } = createGroup();
    const held = add('held', { held: true });
    await group.start();
    await group.stop(Promise.resolve());
    expect(group.running).toEqual(['held']);
    held.end();
    await settle();
    expect(group.running).toEqual([]);
  });

  it('starts nobody when it was stopped before', async () => {
    const { group, add, journal } = createGroup();
    add('a');
    await group.stop(never);
    await group.start();
    expect(journal).toEqual([]);
  });

  it('starts the same ones again after it stood down, each with a signal of its own', async () => {
    const { group, add, journal } = createGroup();
    const a = add('a');
    await group.start();
    const first = a.signal!;
    await group.standDown(never, new Error('lost'));
    expect(first.reason).toMatchObject({ message: 'lost' });
    add('b');
    expect(journal).toEqual(['start a', 'stop a']);
    await group.start();
    expect(a.signal!.aborted).toBe(false);
    expect(journal.slice(2)).toEqual(['start a', 'start b']);
    await group.stop(never);
  });
});
