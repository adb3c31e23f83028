import { describe, expect, it } from 'vitest';
import { parseNack } from './parse-nack.ts';

const sent = (...names: string[]) => new Set(names);

describe('parseNack', () => {
  it('reads clusters, whose names hold bars and whose messages hold commas', () => {
    const message =
      'Error adding/updating cluster(s) outbound|80||a.example: Proto constraint validation failed (x: y, z), bad: duplicate cluster bad found';
    expect(parseNack(message, sent('outbound|80||a.example', 'bad', 'good'))).toEqual([
      { name: 'outbound|80||a.example', message: 'Proto constraint validation failed (x: y, z)' },
      { name: 'bad', message: 'duplicate cluster bad found' },
    ]);
  });

  it('reads listeners, one a line, whose names hold colons', () => {
    const message =
      "Error adding/updating listener(s) [::]_80: error adding listener: has duplicate address '[::]:80'\n0.0.0.0_443: no filter\n";
    expect(parseNack(message, sent('[::]_80', '0.0.0.0_443'))).toEqual([
      { name: '[::]_80', message: "error adding listener: has duplicate address '[::]:80'" },
      { name: '0.0.0.0_443', message: 'no filter' },
    ]);
  });

  it('believes only names that were sent, and only where names stand', () => {
    expect(parseNack('Error adding/updating cluster(s) other: bad', sent('a'))).toEqual([]);
    expect(parseNack('Error adding/updating cluster(s) a: see b: worse', sent('a', 'b'))).toEqual([
      { name: 'a', message: 'see b: worse' },
    ]);
    expect(parseNack('Unexpected EDS cluster (expecting a): b', sent('a', 'b'))).toEqual([]);
    expect(parseNack('', sent('a'))).toEqual([]);
  });

  it('reads a name behind many parts that are none', () => {
    expect(parseNack(`Error adding/updating cluster(s) ${', x: '.repeat(1000)}, a: bad`, sent('a'))).toEqual([
      { name: 'a', message: 'bad' },
    ]);
  });
});
