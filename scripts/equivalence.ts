import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const usage = `npm run equivalence -- [options]
Random histories of objects and proxies: what is kept and sent must equal what a control plane started from nothing computes and sends.
  --runs N    histories of each property (default 4000; npm test tries a few hundred)
  --seed S    the histories of a run before: a failure names its seed, and shrinks its history to a small one`;

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '4000' }, seed: { type: 'string' }, help: { type: 'boolean', default: false } },
});

if (options.help) console.log(usage);
else {
  const { runs, seed } = options;
  const env = { ...process.env, WEFT_PROPERTY_RUNS: runs, ...(seed !== undefined && { WEFT_PROPERTY_SEED: seed }) };
  const files = ['src/xds/equivalence.property.test.ts', 'src/xds/mesh-classes.property.test.ts'];
  const { status } = spawnSync('vitest', ['run', '--config', 'vitest.config.ts', ...files], { stdio: 'inherit', env });
  process.exitCode = status ?? 1;
}
