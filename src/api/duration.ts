import { shown } from './structure.ts';

const unitsInMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const goDuration = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const term = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Reads a duration in Go's notation (`1h30m`, `2.5s`, `250ms`, `0`) as milliseconds, fractions kept; undefined if it is not one. */
export function parseDurationMs(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  const match = text.length <= 64 ? goDuration.exec(text) : null;
  if (!match) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of match[2]!.matchAll(term)) totalMs += Number(amount) * unitsInMs[unit!]!;
  return match[1] === '-' ? -totalMs : totalMs;
}

/** Why a text is not a duration of at least one whole millisecond (Istio's rule for every duration of a traffic policy). */
export function durationProblem(text: string): string | undefined {
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) return `${shown(text)} is not a duration; write it like 10s, 1h30m or 250ms`;
  if (durationMs < 1) return `${shown(text)} is too short, the least is 1ms`;
  // Sums of fractions such as 0.3s are not exact in binary, so a whole number is recognised with a tolerance.
  if (Math.abs(durationMs - Math.round(durationMs)) > 1e-6)
    return `${shown(text)} is finer than a millisecond, which is not supported`;
  return undefined;
}
