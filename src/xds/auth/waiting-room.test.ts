import { describe, expect, it } from 'vitest';
import { WaitingRoom } from './waiting-room.ts';

describe('the room for streams that wait to be let in', () => {
  it('is bounded by streams and by bytes, in all and for one address', () => {
    const room = new WaitingRoom({ streams: 4, sizeBytes: 100, parts: 2 });
    expect([room.enter('a', 1), room.enter('a', 1), room.enter('a', 1)].map((leave) => leave !== undefined)).toEqual([
      ...[true, true, false],
    ]);
    expect(room.enter('b', 51)).toBeUndefined();
    expect(room.enter('b', 50)).toBeDefined();
    expect(room.enter('c', 49)).toBeUndefined();
    expect(room.enter('c', 48)).toBeDefined();
    expect(room.enter('d', 0)).toBeUndefined();
  });

  it('is free again behind each who leaves, once', () => {
    const room = new WaitingRoom({ streams: 2, sizeBytes: 100, parts: 1 });
    const [first, second] = [room.enter('a', 50)!, room.enter('a', 50)!];
    first();
    first();
    expect(room.enter('b', 50)).toBeDefined();
    expect(room.enter('b', 0)).toBeUndefined();
    second();
    expect(room.enter('a', 51)).toBeUndefined();
    expect(room.enter('a', 50)).toBeDefined();
  });
});
