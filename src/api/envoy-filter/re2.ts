import { shown } from '../structure.ts';

/** A pattern ready for use, or why it is none. */
export type CompiledPattern =
  | { readonly pattern: RegExp; readonly problem?: undefined }
  | { readonly pattern?: undefined; readonly problem: string };

const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/**
 * Compiles a pattern of Go's syntax (RE2, https://github.com/google/re2/wiki/Syntax) for an unanchored match. Constructs that
 * only JavaScript has (lookaround, backreferences) are refused as Go refuses them; flags are understood at the beginning.
 */
export function compileRe2(pattern: string): CompiledPattern {
  const leading = /^\(\?([imsU]+)\)/.exec(pattern);
  // Greediness changes what is captured, never whether there is a match.
  const flags = [...new Set(leading?.[1]?.replaceAll('U', ''))].join('');
  const translated = translate(pattern.slice(leading?.[0].length ?? 0));
  if (translated.problem !== undefined)
    return { problem: `${shown(pattern)} is not a regular expression: ${translated.problem}` };
  try {
    return { pattern: new RegExp(translated.source, flags) };
  } catch (error) {
    return { problem: `${shown(pattern)} is not a regular expression: ${reasonOf(error)}` };
  }
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(message.lastIndexOf(': ') + 2).toLowerCase();
}

type Translated =
  | { readonly source: string; readonly problem?: undefined }
  | { readonly source?: undefined; readonly problem: string };

function translate(pattern: string): Translated {
  let source = '';
  let inClass = false;
  for (let index = 0; index < pattern.length; ) {
    const rest = pattern.slice(index, index + 16);
    const posix = inClass ? /^\[:(\w+):\]/.exec(rest) : null;
    let taken = 1;
    if (rest[0] === '\\') {
      const escaped = translateEscape(rest, inClass);
      if (escaped.problem !== undefined) return escaped;
      source += escaped.source;
      taken = 2;
    } else if (posix) {
      const members = posixClasses[posix[1]!];
      if (members === undefined) return { problem: `there is no character class ${posix[0]}` };
      source += members;
      taken = posix[0].length;
    } else if (!inClass && rest.startsWith('(?')) {
      const named = /^\(\?P?</.exec(rest);
      const modifiers = /^\(\?[ims]*(?:-[ims]+)?:/.exec(rest);
      const opening = named ?? modifiers;
      if (!opening || /^\(\?<[=!]/.test(rest)) return { problem: `${shown(rest.slice(0, 4))} is not supported` };
      source += named ? '(?<' : opening[0];
      taken = opening[0].length;
    } else if (!inClass && /^\{\d+(?:,\d*)?\}/.test(rest) && Number.parseInt(rest.slice(1), 10) > 1000) {
      return { problem: 'a repetition may be at most 1000' };
    } else if (rest[0] === '[') {
      // A ']' that comes first in a class is a member of it in RE2 and closes it in JavaScript.
      const opening = inClass ? '\\[' : /^\[\^?\]?/.exec(rest)![0];
      source += opening.endsWith(']') ? `${opening.slice(0, -1)}\\]` : opening;
      taken = inClass ? 1 : opening.length;
      inClass = true;
    } else {
      if (rest[0] === ']') inClass = false;
      source += rest[0];
    }
    index += taken;
  }
  return { source };
}

function translateEscape(rest: string, inClass: boolean): Translated {
  const letter = rest[1];
  if (letter === undefined) return { problem: 'it ends in a backslash' };
  if (!inClass && letter === 'A') return { source: '(?<![\\s\\S])' };
  if (!inClass && letter === 'z') return { source: '(?![\\s\\S])' };
  if (!inClass && /[1-9]/.test(letter)) return { problem: `backreferences such as \\${letter} are not supported` };
  if (/[A-Za-z]/.test(letter) && !'dDsSwWbBfnrtvx'.includes(letter)) return { problem: `\\${letter} is not supported` };
  return { source: `\\${letter}` };
}
