/**
 * `npm run build`: compiles src to dist/, with Envoy's generated types and descriptors, and other files that code reads, beside that code.
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
/** Files that the code beside them reads when it is loaded. */
const read = ['webhooks/iptables/init.sh'];
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
  for (const file of read) cpSync(join(root, 'src', file), join(outDir, file));
} else process.exitCode = 1;
