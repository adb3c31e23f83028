import { build } from 'hdr-histogram-js';

/** What a series of durations comes to, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Percentiles of durations in milliseconds, three digits exact. Throws on an empty series: then nothing was measured. */
export function percentilesOf(durationsMs: readonly number[]): Percentiles {
  if (durationsMs.length === 0) throw new Error('nothing was measured');
  const histogram = build({ highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3 });
  for (const durationMs of durationsMs) histogram.recordValue(Math.max(0, Math.round(durationMs * 1000)));
  const max = Math.max(...durationsMs);
  // The histogram answers with the upper end of a bucket.
  const at = (percentile: number) => Math.min(max, histogram.getValueAtPercentile(percentile) / 1000);
  return { p50: at(50), p99: at(99), max };
}
