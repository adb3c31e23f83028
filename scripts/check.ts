/**
 * `npm run check`: everything that can be said about the code without running it.
 * Each check prints one line with its time, and what it found only if it failed. Exits 1 if any failed.
 */
import { join } from 'node:path';
import { describeResults, runChecks } from './checks/run-checks.ts';

const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const script = (name: string, ...args: string[]) => [process.execPath, join(root, 'scripts', name), ...args];

/** The slow ones first, so that the last to end is a short one. */
const checks = [
  { name: 'types', command: [bin('tsc'), '-p', '.'] },
  { name: 'types of the build', command: [bin('tsc'), '-p', 'tsconfig.build.json', '--noEmit'] },
  { name: 'lint and format', command: [bin('biome'), 'check', '--error-on-warnings', '--max-diagnostics=50', '.'] },
  { name: 'unused code', command: [bin('knip'), '--no-config-hints'] },
  { name: 'generated CRDs', command: script('generate-crds.ts', '--check') },
  { name: 'generated RBAC', command: script('generate-rbac.ts', '--check') },
  { name: 'generated chart', command: script('generate-chart.ts', '--check') },
  { name: 'import direction', command: script('import-direction.ts') },
  { name: 'links in documents', command: script('check-links.ts') },
];

const results = await runChecks(checks, { cwd: root, atOnce: 2, onDone: (result) => console.log(describeResults([result])) });
const failed = results.filter(({ ok }) => !ok);
if (failed.length > 0) {
  console.error(`${failed.length} of ${results.length} checks failed: ${failed.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}
