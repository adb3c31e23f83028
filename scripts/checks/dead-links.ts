/** `[text](target)` and `![text](target)`, `src="target"` and `srcset="target"`. */
const link = /\]\(\s*<?([^)\s>]+)>?[^)]*\)|\bsrc(?:set)?="([^"]+)"/g;

/** A link that leads nowhere. */
export interface DeadLink {
  /** From 1. */
  readonly line: number;
  readonly target: string;
}

/**
 * The relative links of a Markdown text that lead to no file; fragments are cut off, code blocks and other sites left out.
 * @param exists whether there is a file or folder at a path relative to the document
 */
export function deadLinks(text: string, exists: (target: string) => boolean): DeadLink[] {
  const dead: DeadLink[] = [];
  let isCode = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode;
    if (isCode) continue;
    for (const match of line.matchAll(link)) {
      const target = decodeURI((match[1] ?? match[2]!).replace(/#.*$/, ''));
      const isElsewhere = /^[a-z][a-z0-9+.-]*:|^\/\//i.test(target);
      if (target !== '' && !isElsewhere && !exists(target)) dead.push({ line: index + 1, target });
    }
  }
  return dead;
}
