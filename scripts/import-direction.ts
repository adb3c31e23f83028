/**
 * Checks who imports whom in src: the direction of `imports/stages.ts`, and no circles.
 * Prints each finding as `file:line: why`; exits 1 if there is one.
 */
import { join } from 'node:path';
import { checkImports } from './imports/check-imports.ts';

const findings = checkImports(join(import.meta.dirname, '..', 'src'));
for (const finding of findings) console.error(finding);
if (findings.length > 0) {
  console.error(`${findings.length} forbidden; the rules are in scripts/imports/stages.ts`);
  process.exitCode = 1;
}
