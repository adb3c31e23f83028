import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { findCycles } from './find-cycles.ts';
import { readImports } from './read-imports.ts';
import { explainForbidden, isExempt } from './stages.ts';

/**
 * What is forbidden among the imports of a source folder, as `file:line: why`: imports against the direction of the stages, and circles,
 * those of types too.
 * @param root the folder whose sub-folders are the stages
 */
export function checkImports(root: string): string[] {
  const findings: string[] = [];
  const edges = new Map<string, string[]>();
  const label = (path: string) => posix.join('src', path);
  for (const from of sourceFiles(root)) {
    const imports = readImports(readFileSync(join(root, from), 'utf8')).filter(({ specifier }) => specifier.startsWith('.'));
    const targets = imports.map((found) => ({ ...found, to: posix.join(posix.dirname(from), found.specifier) }));
    for (const { to, isType, line } of targets) {
      const why = explainForbidden(from, to, { isType });
      if (why !== undefined) findings.push(`${label(from)}:${line}: may not import ${label(to)}: ${why}`);
    }
    if (!isExempt(from)) edges.set(from, [...new Set(targets.map(({ to }) => to))]);
  }
  for (const cycle of findCycles(edges)) {
    const way = [...cycle, cycle[0]!].map(label).join(' → ');
    findings.push(`${label(cycle[0]!)}: imports itself by way of others: ${way}`);
  }
  return findings;
}

function sourceFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => path.split(sep).join('/'))
    .filter((path) => /\.ts$/.test(path) && !path.startsWith('envoy/gen/'))
    .sort();
}
