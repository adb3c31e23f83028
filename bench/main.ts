import { parseArgs } from 'node:util';
import type { BenchContext } from './control-plane.ts';
import { measureChanges } from './measurements/changes.ts';
import { measureCluster } from './measurements/cluster.ts';
import { measureCompile } from './measurements/compile.ts';
import { measureCost } from './measurements/cost.ts';
import { measureFiles } from './measurements/files.ts';
import { measureFirstSync } from './measurements/first-sync.ts';
import { measureFleet } from './measurements/fleet.ts';
import { measureInjection } from './measurements/injection.ts';
import { machineFacts, renderSection, type Section, writeJson } from './report.ts';

const measurements: Readonly<Record<string, (context: BenchContext) => Promise<Section | Section[]>>> = {
  compile: measureCompile,
  files: measureFiles,
  changes: measureChanges,
  'first-sync': measureFirstSync,
  cost: measureCost,
  injection: measureInjection,
  fleet: measureFleet,
  cluster: measureCluster,
};

const usage = `npm run bench -- [options]
  --only NAME      one measurement: ${Object.keys(measurements).join(', ')}
  --quick          fewer rounds, within a minute: to see whether it works
  --json FILE      the figures as JSON, too
  --profile DIR    CPU profiles of the control planes into DIR
Targets are marked as met or missed; a missed one is no failure. What is measured and how: docs/benchmarks.md`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) console.log(usage);
else if (options.only !== undefined && !measurements[options.only]) {
  console.error(`--only ${options.only}: expected one of ${Object.keys(measurements).join(', ')}`);
  process.exitCode = 1;
} else await run();

async function run(): Promise<void> {
  const { only, quick, json, profile } = options;
  const startedAt = new Date();
  const isLive = process.stderr.isTTY;
  const progress = (text: string) => (isLive ? process.stderr.write(`\r\x1b[K${text}`) : undefined);
  console.log(
    `# weft bench${quick ? ' --quick' : ''}, ${startedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${machineFacts()}\n`,
  );
  const sections: Section[] = [];
  for (const [name, measure] of Object.entries(measurements)) {
    if (only !== undefined && name !== only) continue;
    progress(name);
    const found = [await measure({ quick, profileDirectory: profile, progress })].flat();
    progress('');
    for (const section of found) console.log(renderSection(section));
    sections.push(...found);
  }
  const tookSeconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  console.log(`Took ${tookSeconds} s.`);
  if (json !== undefined) writeJson(json, sections, { startedAt: startedAt.toISOString(), quick, tookSeconds });
}
