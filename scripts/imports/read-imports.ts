/** One import or re-export of a source file. */
export interface ImportOf {
  /** As written: `../mesh/mesh.ts`, `node:fs`. */
  readonly specifier: string;
  /** Only types are imported; nothing is left of it when the program runs. */
  readonly isType: boolean;
  /** Where the statement begins, from 1. */
  readonly line: number;
}

/** `import … from '…'`, `import '…'`, `export … from '…'`; begins a line, as the formatter leaves it. */
const statement = /^(?:import|export)\s+(type\s)?(?:[\w*{][^;'"]*?\sfrom\s+)?['"]([^'"\n]+)['"]/gm;
/** `import('…')`, as a value or in a type. */
const call = /\bimport\(\s*['"]([^'"\n]+)['"]/g;

/**
 * The imports in the text of a TypeScript file, in order of their kind: statements, then calls.
 * A statement inside a block comment or a template counts too: the reader errs on the side of a false alarm.
 */
export function readImports(text: string): ImportOf[] {
  const statements = [...text.matchAll(statement)].map((match) => ({
    specifier: match[2]!,
    isType: match[1] !== undefined,
    line: lineAt(text, match.index),
  }));
  const calls = [...text.matchAll(call)].map((match) => ({
    specifier: match[1]!,
    isType: false,
    line: lineAt(text, match.index),
  }));
  return [...statements, ...calls];
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
