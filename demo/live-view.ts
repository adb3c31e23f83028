import type { ObjectRow } from './object-rows.ts';
import { type Outcome, type RouteTraffic, windowSize } from './traffic.ts';

/** Everything that the terminal shows. */
export interface DemoView {
  /** Where things are, in one line. */
  readonly title: string;
  /** What a person has to know before anything else: ports that were taken, a proxy that is missing. */
  readonly notices: readonly string[];
  readonly objects: readonly ObjectRow[];
  readonly traffic: readonly RouteTraffic[];
  /** Names of the demo's services, in the order in which they are coloured. */
  readonly services: readonly string[];
  /** What is wrong, with file, line and column where that is known. */
  readonly problems: readonly string[];
  readonly hints: readonly string[];
  readonly nowMs: number;
}

/** How a piece of text stands out. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan';
/** A piece of a line. */
export interface Span {
  readonly text: string;
  readonly style?: Style;
}
export type Line = readonly Span[];

/** Room for the view, in characters; Infinity for a stream that is no terminal. */
export interface ViewSize {
  readonly columns: number;
  readonly rows: number;
}

/** The whole view in lines that fit: wrapped or cut to `columns`, the table shortened to `rows`. Pure. */
export function renderView(view: DemoView, { columns, rows }: ViewSize): Line[] {
  const blocks = (objects: readonly ObjectRow[]): Line[][] => [
    [[{ text: view.title, style: 'bold' }], ...view.notices.flatMap((text) => wrap(text, columns, 'yellow'))],
    table(objectColumns, objects, ({ isFresh }) => (isFresh ? 'bold' : undefined)).concat(
      leftOut(view.objects.length - objects.length),
    ),
    view.traffic.length ? renderTraffic(view) : [],
    view.problems.flatMap((text) => wrap(text, columns, 'red')),
    view.hints.map((text) => [{ text, style: 'dim' }]),
  ];
  const whole = joinBlocks(blocks(view.objects));
  if (whole.length <= rows) return whole.map((line) => cut(line, columns));
  const room = Math.max(3, view.objects.length - (whole.length - rows) - 1);
  // Where not all have room, those that are not ready must be seen.
  const first = view.objects.toSorted((a, b) => Number(a.ready === 'True') - Number(b.ready === 'True')).slice(0, room);
  return joinBlocks(blocks(first))
    .slice(0, rows)
    .map((line) => cut(line, columns));
}

/** A line as text without colours. */
export function plainText(line: Line): string {
  return line.map(({ text }) => text).join('');
}

/** What makes a new picture worth printing where it cannot be redrawn: not the counts of requests, which always move. */
export function signatureOf({ title, notices, objects, traffic, problems }: DemoView): string {
  const answering = traffic.map(({ host, recent }) => [host, [...new Set(recent.map(({ by, code }) => `${by} ${code}`))].sort()]);
  return JSON.stringify([title, notices, objects.map((row) => ({ ...row, isFresh: false })), answering, problems]);
}

interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => Line;
}

const text = (value: string, style?: Style): Line => [{ text: value, style }];
const readyStyles = { True: 'green', False: 'red', Unknown: 'yellow' } as const;

const objectColumns: readonly Column<ObjectRow>[] = [
  { title: 'KIND', cell: ({ kind }) => text(kind) },
  { title: 'OBJECT', cell: ({ object }) => text(object) },
  { title: 'PROXIES', cell: ({ proxies }) => text(proxies) },
  { title: 'READY', cell: ({ ready }) => text(ready, readyStyles[ready]) },
  { title: 'REASON', cell: ({ reason }) => text(reason) },
  { title: 'GEN', cell: ({ generation }) => text(generation) },
  { title: 'TOOK', cell: ({ took }) => text(took) },
];

/** How long a failure is told of, in milliseconds. */
const rememberedMs = 60_000;

function renderTraffic({ traffic, services, nowMs }: DemoView): Line[] {
  const columns: readonly Column<RouteTraffic>[] = [
    { title: 'HOST CALLED', cell: ({ host }) => text(host) },
    { title: `LAST ${windowSize} REQUESTS`, cell: ({ recent }) => recent.map((outcome) => outcomeMark(outcome, services)) },
    { title: 'ANSWERED BY', cell: ({ recent }) => countSpans(recent, services) },
    {
      title: 'STATUS',
      cell: ({ recent }) => text([...countBy(recent, ({ code }) => code)].map(([code, n]) => `${code} ×${n}`).join(', ')),
    },
  ];
  const failures = traffic.flatMap(({ host, lastFailure }): Line[] =>
    lastFailure && nowMs - lastFailure.atMs < rememberedMs
      ? [text(`last failure of ${host}, ${Math.round((nowMs - lastFailure.atMs) / 1000)} s ago: ${lastFailure.text}`, 'yellow')]
      : [],
  );
  return [...table(columns, traffic), ...failures];
}

const palette: readonly Style[] = ['blue', 'green', 'magenta', 'cyan', 'yellow'];

function serviceStyle(name: string, services: readonly string[]): Style | undefined {
  return palette[services.indexOf(name) % palette.length];
}

/** One letter for a request: the first of the service's name. */
function outcomeMark({ by }: Outcome, services: readonly string[]): Span {
  return by === undefined ? { text: '×', style: 'red' } : { text: by[0] ?? '?', style: serviceStyle(by, services) };
}

/** Sorts behind every name. */
const last = '\uffff';

function countSpans(recent: readonly Outcome[], services: readonly string[]): Line {
  const counts = [...countBy(recent, ({ by }) => by)].sort(([a = last], [b = last]) => (a < b ? -1 : 1));
  return counts.flatMap(
    ([by, n], index): Line => [
      { text: index ? ', ' : '' },
      { text: `${by ?? 'nobody'} ${n}`, style: by === undefined ? 'red' : serviceStyle(by, services) },
    ],
  );
}

function countBy<T, Key>(items: readonly T[], key: (item: T) => Key): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

/** Columns as wide as their widest cell, two spaces between. */
function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], rowStyle?: (row: Row) => Style | undefined): Line[] {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...cells.map((row) => plainText(row[index]!).length)));
  const pad = (line: Line, index: number): Line =>
    index === columns.length - 1 ? line : [...line, { text: ' '.repeat(widths[index]! - plainText(line).length + 2) }];
  return [
    columns.flatMap(({ title }, index) => pad(text(title, 'dim'), index)),
    ...cells.map((row, at) =>
      row.flatMap((cell, index) => pad(cell, index)).map((span) => ({ ...span, style: span.style ?? rowStyle?.(rows[at]!) })),
    ),
  ];
}

function leftOut(count: number): Line[] {
  return count > 0 ? [text(`… ${count} more; npm exec weft -- status lists all`, 'dim')] : [];
}

/** An empty line between blocks that have something to say. */
function joinBlocks(blocks: readonly Line[][]): Line[] {
  return blocks.filter((block) => block.length).flatMap((block, index): Line[] => (index ? [[], ...block] : block));
}

/** Breaks a text at spaces; what follows the first line is indented. */
function wrap(whole: string, columns: number, style: Style): Line[] {
  const lines: string[] = [];
  let line = '';
  for (const word of whole.split(' ')) {
    if (line && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = `  ${word}`;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line].map((part) => text(part, style));
}

function cut(line: Line, columns: number): Line {
  if (plainText(line).length <= columns) return line;
  const kept: Span[] = [];
  let room = columns - 1;
  for (const span of line) {
    if (room <= 0) break;
    kept.push({ ...span, text: span.text.slice(0, room) });
    room -= span.text.length;
  }
  return [...kept, { text: '…' }];
}
