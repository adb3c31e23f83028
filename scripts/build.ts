/**
 * `npm run build`: compiles src to dist/, with Envoy's generated types and descriptors beside the code that reads them.
 * `--outDir DIR` puts it elsewhere.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { outDir: { type: 'string', default: join(root, 'dist') } } });
const outDir = resolve(values.outDir);

const generated = 'envoy/gen';
if (!existsSync(join(root, 'src', generated))) throw new Error(`src/${generated} is missing; run: npm run prepare`);
// Nothing of a source that is gone stays in dist/; a folder that somebody named is only added to.
if (outDir === join(root, 'dist')) rmSync(outDir, { recursive: true, force: true });
const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', outDir], {
  cwd: root,
  stdio: 'inherit',
});
if (status === 0) {
  rmSync(join(outDir, generated), { recursive: true, force: true });
  cpSync(join(root, 'src', generated), join(outDir, generated), { recursive: true });
} else process.exitCode = 1;
