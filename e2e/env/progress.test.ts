import { describe, expect, it } from 'vitest';
import { formatProgress, progressPrinter } from './progress.ts';

const mib = 1_048_576;

const capture = (stream: { isTTY?: boolean; columns?: number } = {}) => {
  const written: string[] = [];
  return { written, stream: { ...stream, write: (text: string) => written.push(text) } };
};

describe('progress', () => {
  it('tells bytes in MiB, with a share when the whole is known', () => {
    expect(formatProgress({ text: 'unpacking' })).toBe('unpacking');
    expect(formatProgress({ text: 'x', receivedBytes: 3 * mib })).toBe('x: 3.0 MiB');
    expect(formatProgress({ text: 'x', receivedBytes: mib, totalBytes: 3 * mib })).toBe('x: 1.0 of 3.0 MiB (33 %)');
    expect(formatProgress({ text: 'x', receivedBytes: 4 * mib, totalBytes: 3 * mib })).toBe('x: 3.0 of 3.0 MiB (100 %)');
  });

  it('rewrites one line on a terminal, no wider than it', () => {
    const { written, stream } = capture({ isTTY: true, columns: 10 });
    const print = progressPrinter(stream);
    print({ text: 'downloading' });
    print({ text: 'unpacking' });
    print.done();
    print.done();
    expect(written).toEqual(['\r\x1b[Kdownloadi', '\r\x1b[Kunpacking', '\n']);
  });

  it('prints elsewhere a line for each step, and one in a while during a step', () => {
    const { written, stream } = capture();
    let now = 0;
    const print = progressPrinter(stream, { intervalMs: 3_000, nowMs: () => now });
    for (; now < 7_000; now += 500) print({ text: 'x', receivedBytes: (now / 1_000) * mib });
    print({ text: 'unpacking' });
    print.done();
    expect(written).toEqual(['x: 0.0 MiB\n', 'x: 3.0 MiB\n', 'x: 6.0 MiB\n', 'unpacking\n']);
  });
});
