import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type SignalReceiver, setupSignalHandler } from './signals.ts';

class FakeProcess extends EventEmitter implements SignalReceiver {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

describe('signal handler', () => {
  it.each(['SIGTERM', 'SIGINT'])('aborts on the first %s and exits on the second signal', (name) => {
    const receiver = new FakeProcess();
    const signal = setupSignalHandler(receiver);
    expect(signal.aborted).toBe(false);
    receiver.emit(name, name);
    expect(signal.reason).toMatchObject({ message: `received ${name}` });
    expect(receiver.exits).toEqual([]);
    receiver.emit('SIGTERM', 'SIGTERM');
    expect(receiver.exits).toEqual([1]);
  });

  it('is set up once', () => {
    const receiver = new FakeProcess();
    setupSignalHandler(receiver);
    expect(() => setupSignalHandler(receiver)).toThrow('called twice');
  });
});
