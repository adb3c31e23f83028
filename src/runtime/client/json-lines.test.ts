import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonLines } from './json-lines.ts';

describe('JsonLines', () => {
  it('gives the same values however the bytes are cut', () => {
    const values = fc.array(fc.jsonValue({ stringUnit: 'binary' }), { maxLength: 8 });
    const cuts = fc.array(fc.nat(), { maxLength: 12 });
    fc.assert(
      fc.property(values, cuts, (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const lines = new JsonLines();
        const read: unknown[] = [];
        const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        let from = 0;
        for (const end of ends) {
          read.push(...lines.push(bytes.subarray(from, end)));
          from = end;
        }
        expect(JSON.stringify(read)).toBe(JSON.stringify(values));
        expect(lines.unfinishedBytes).toBe(0);
      }),
    );
  });

  it('knows of a line that has not ended, and passes over empty ones', () => {
    const lines = new JsonLines();
    expect([...lines.push(Buffer.from('\n{"a":1}\n\n{"b"'))]).toEqual([{ a: 1 }]);
    expect(lines.unfinishedBytes).toBe(4);
    expect([...lines.push(Buffer.from(':2}\n'))]).toEqual([{ b: 2 }]);
  });

  it('throws for a line that is no JSON', () => {
    expect(() => [...new JsonLines().push(Buffer.from('<html>\n'))]).toThrow(SyntaxError);
  });
});
