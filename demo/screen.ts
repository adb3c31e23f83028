import { type DemoView, type Line, plainText, renderView, type Style, signatureOf } from './live-view.ts';

/** Where the view is shown. */
export interface Screen {
  show(view: DemoView): void;
  /** Gives the terminal back as it was, with the last picture under the command. May be called again. */
  close(): void;
}

/** The stream that is written to: standard output, or a test's own. */
export interface ScreenStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** A picture that is redrawn in place on a terminal, elsewhere one that is printed when it has changed. */
export function openScreen(stream: ScreenStream, nowMs: () => number = () => performance.now()): Screen {
  return stream.isTTY ? openTerminal(stream, !process.env.NO_COLOR) : openPlain(stream, nowMs);
}

// The other screen, so that what was there before comes back; no cursor; afterwards the reverse (xterm's control sequences).
const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';
const home = '\x1b[H';
const clearToLineEnd = '\x1b[K';
const clearBelow = '\x1b[J';
// Synchronised output: a terminal that knows it shows the picture in one go, others ignore it.
const beginPicture = '\x1b[?2026h';
const endPicture = '\x1b[?2026l';

const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 94, magenta: 35, cyan: 36 };

function openTerminal(stream: ScreenStream, hasColour: boolean): Screen {
  const paint = (line: Line): string =>
    hasColour ? line.map(({ text, style }) => (style ? `\x1b[${codes[style]}m${text}\x1b[0m` : text)).join('') : plainText(line);
  let last: DemoView | undefined;
  let isOpen = true;
  const draw = (): void => {
    if (!last) return;
    // One column is left free: a terminal that has written its last one wraps late, and clearing there would take a letter.
    const lines = renderView(last, { columns: (stream.columns || 80) - 1, rows: stream.rows || 24 });
    const picture = lines.map((line) => paint(line) + clearToLineEnd).join('\r\n');
    stream.write(beginPicture + home + picture + clearBelow + endPicture);
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stream.off?.('resize', draw);
    process.off('exit', close);
    stream.write(leave);
    if (!last) return;
    const lines = renderView({ ...last, hints: [] }, { columns: (stream.columns || 80) - 1, rows: Number.POSITIVE_INFINITY });
    stream.write(`${lines.map(paint).join('\n')}\n`);
  };
  process.on('exit', close);
  stream.on?.('resize', draw);
  stream.write(enter);
  return {
    show: (view) => {
      last = view;
      if (isOpen) draw();
    },
    close,
  };
}

/** Pictures follow each other no faster than this, in milliseconds. */
const leastIntervalMs = 1000;
/** A change is followed by a second picture after this time, which shows what it did to the traffic, in milliseconds. */
const aftermathMs = 5000;

function openPlain(stream: ScreenStream, nowMs: () => number): Screen {
  let signature: string | undefined;
  let text = '';
  let printedAtMs = Number.NEGATIVE_INFINITY;
  let aftermathAtMs = Number.POSITIVE_INFINITY;
  let last: DemoView | undefined;
  const print = (view: DemoView): void => {
    // What to try is said once.
    const hints = text ? [] : view.hints;
    const lines = renderView({ ...view, hints }, { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY });
    text = lines.map((line) => `${plainText(line).trimEnd()}\n`).join('');
    stream.write(`${text}\n`);
    printedAtMs = nowMs();
    last = undefined;
  };
  return {
    show: (view) => {
      last = view;
      const now = nowMs();
      const hasChanged = signatureOf(view) !== signature;
      if ((!hasChanged && now < aftermathAtMs) || now - printedAtMs < leastIntervalMs) return;
      signature = signatureOf(view);
      aftermathAtMs = hasChanged ? now + aftermathMs : Number.POSITIVE_INFINITY;
      print(view);
    },
    close: () => {
      if (last) print(last);
    },
  };
}
