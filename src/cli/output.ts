import { stringify } from 'yaml';
import { CommandError } from './command-error.ts';

/** How a listing is printed. */
export type OutputFormat = 'table' | 'json' | 'yaml';

/** Reads `-o`; throws a {@link CommandError} for anything but json, yaml and table. */
export function parseOutput(text: string): OutputFormat {
  if (text === 'json' || text === 'yaml' || text === 'table') return text;
  throw new CommandError(`-o ${text}: expected json, yaml or table`);
}

/** A value as JSON or YAML, or rows under a header. */
export function print(format: OutputFormat, value: unknown, table: () => readonly (readonly string[])[]): void {
  if (format === 'json') process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  else if (format === 'yaml') process.stdout.write(stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }));
  else process.stdout.write(formatTable(table()));
}

/**
 * Columns as kubectl prints them: as wide as their widest cell, three spaces between.
 * @param widths grows with what is printed; pass the same to go on with an earlier table
 */
export function formatTable(rows: readonly (readonly string[])[], widths: number[] = []): string {
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]! + 3)))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `5s`, `3m20s`, `2h5m`: an age as kubectl shows it. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m${seconds % 60 && seconds < 600 ? `${seconds % 60}s` : ''}`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d`;
}
