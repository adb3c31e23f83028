/** One document of a YAML stream, with its own `---` line and directives. */
export interface TextDocument {
  readonly text: string;
  /** Line of the file on which the text begins, from 1. */
  readonly startLine: number;
}

/**
 * Splits a YAML stream into its documents without parsing them, so that a broken one cannot hide its neighbours. By YAML 1.2.2
 * (9.1.2) a line that begins with `---` or `...` and a blank or its end is a marker wherever it stands, in block and quoted
 * scalars too. Documents without content are left out.
 */
export function splitDocuments(text: string): TextDocument[] {
  const documents: TextDocument[] = [];
  let start = text.startsWith('\ufeff') ? 1 : 0;
  let startLine = 1;
  let line = 1;
  let sawContent = false;
  const cut = (end: number, nextLine: number) => {
    if (sawContent) documents.push({ text: text.slice(start, end), startLine });
    start = end;
    startLine = nextLine;
    sawContent = false;
  };
  for (let at = start; at < text.length; line++) {
    const newline = text.indexOf('\n', at);
    const next = newline < 0 ? text.length : newline + 1;
    const marker = markerAt(text, at);
    if (marker === '---') {
      // A directive belongs to the document that its marker begins.
      if (sawContent || !text.startsWith('%', firstContent(text, start, at))) cut(at, line);
      sawContent ||= hasContent(text, at + 3, next);
    } else if (marker === '...') {
      cut(next, line + 1);
    } else if (!sawContent && text[at] !== '%') {
      sawContent = hasContent(text, at, next);
    }
    at = next;
  }
  cut(text.length, line);
  return documents;
}

function markerAt(text: string, at: number): '---' | '...' | undefined {
  const after = text[at + 3];
  if (after !== undefined && after !== ' ' && after !== '\t' && after !== '\n' && after !== '\r') return undefined;
  if (text.startsWith('---', at)) return '---';
  return text.startsWith('...', at) ? '...' : undefined;
}

/** True if there is anything but blanks and a comment. */
function hasContent(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const character = text[at];
    if (character === '#') return false;
    if (character !== ' ' && character !== '\t' && character !== '\n' && character !== '\r') return true;
  }
  return false;
}

/** Where the first line begins that is neither blank nor a comment; `to` if there is none. */
function firstContent(text: string, from: number, to: number): number {
  for (let at = from; at < to; ) {
    const newline = text.indexOf('\n', at);
    const next = newline < 0 ? to : newline + 1;
    if (hasContent(text, at, next)) return at;
    at = next;
  }
  return to;
}
