import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, platform, release, totalmem } from 'node:os';

/** One line of figures; the unit is the last word of a figure's name. */
export interface Row {
  readonly what: string;
  readonly figures: Readonly<Record<string, number>>;
  /** What figures are meant to stay below. Nothing fails where they do not. */
  readonly targets?: readonly { readonly figure: string; readonly below: number }[];
}

/** What one measurement found. */
export interface Section {
  readonly title: string;
  /** What one must know to read the figures. */
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
}

/** The machine and the run, in one line. */
export function machineFacts(): string {
  const memoryGb = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${memoryGb} GiB, ${platform()} ${release()}, Node ${process.version}`;
}

/** A section as text, as it also stands in docs/benchmarks.md. */
export function renderSection({ title, notes, rows }: Section): string {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const hasTargets = rows.some(({ targets }) => targets);
  const table = [
    ['', ...names, ...(hasTargets ? ['targets'] : [])],
    ...rows.map((row) => [
      row.what,
      ...names.map((name) => formatFigure(row.figures[name])),
      ...(hasTargets ? [verdictsOf(row)] : []),
    ]),
  ];
  const widths = table[0]!.map((_, column) => Math.max(3, ...table.map((cells) => cells[column]!.length)));
  const isText = (column: number) => column === 0 || column > names.length;
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => '-'.repeat(width + 1) + (isText(column) ? '-' : ':')).join('|')}|`;
  const [head, ...body] = table.map(line);
  return [`## ${title}`, '', ...notes.map((note) => `- ${note}`), '', head, rule, ...body, ''].join('\n');
}

/** Writes everything for machines to compare. */
export function writeJson(file: string, sections: readonly Section[], run: Readonly<Record<string, unknown>>): void {
  writeFileSync(file, `${JSON.stringify({ ...run, machine: machineFacts(), sections }, undefined, 2)}\n`);
}

function verdictsOf({ targets = [], figures }: Row): string {
  const verdicts = targets.map(({ figure, below }) => {
    const verdict = (figures[figure] ?? Number.POSITIVE_INFINITY) < below ? 'met' : 'MISSED';
    return `${verdict}: ${figure} < ${below}`;
  });
  return verdicts.join(', ');
}

function formatFigure(value: number | undefined): string {
  if (value === undefined) return '';
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
