/** Checks that every relative link in the project's documents leads to a file. Prints `file:line: why`; exits 1 if one does not. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deadLinks } from './checks/dead-links.ts';

const root = join(import.meta.dirname, '..');
const documents = globSync(['*.md', '{docs,demo,samples,bench,e2e,src}/**/*.md'], { cwd: root }).sort();
const findings = documents.flatMap((document) => {
  const text = readFileSync(join(root, document), 'utf8');
  const dead = deadLinks(text, (target) => existsSync(join(root, dirname(document), target)));
  return dead.map(({ line, target }) => `${document}:${line}: there is no ${target}`);
});
for (const finding of findings) console.error(finding);
if (findings.length > 0) process.exitCode = 1;
