// Writes the parts of helm/weft that are made from others. With --check it writes nothing and exits 1 if one is not up to date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crdTemplates, type GeneratedFile, rbacTemplate, releaseRbacTemplate } from './chart/templates.ts';
import { valuesSchema } from './chart/values-schema.ts';
import { valuesTable } from './chart/values-table.ts';

const root = join(import.meta.dirname, '..');
const chart = join(root, 'helm/weft');
const read = (path: string) => readFileSync(path, 'utf8');

/** What the files should hold; the README's and Chart.yaml's own words are kept. */
function generate(): GeneratedFile[] {
  const { version } = JSON.parse(read(join(root, 'package.json'))) as { version: string };
  const table = `<!-- values: generated from values.yaml -->\n${valuesTable(read(join(chart, 'values.yaml')))}\n<!-- end of values -->`;
  return [
    rbacTemplate(),
    releaseRbacTemplate(),
    ...crdTemplates(join(root, 'crds')),
    { path: 'values.schema.json', text: `${JSON.stringify(valuesSchema(), null, 2)}\n` },
    {
      path: 'README.md',
      text: read(join(chart, 'README.md')).replace(/<!-- values:[\s\S]*<!-- end of values -->/, () => table),
    },
    { path: 'Chart.yaml', text: read(join(chart, 'Chart.yaml')).replaceAll(/^((?:appV|v)ersion): .*$/gm, `$1: ${version}`) },
  ];
}

const stale = generate().filter(({ path, text }) => !existsSync(join(chart, path)) || read(join(chart, path)) !== text);
if (!process.argv.includes('--check')) {
  for (const { path, text } of stale) {
    mkdirSync(dirname(join(chart, path)), { recursive: true });
    writeFileSync(join(chart, path), text);
  }
  console.log(stale.length ? `wrote ${stale.map(({ path }) => `helm/weft/${path}`).join(', ')}` : 'the chart is up to date');
} else if (stale.length > 0) {
  console.error(
    `not up to date: ${stale.map(({ path }) => `helm/weft/${path}`).join(', ')}; run: node scripts/generate-chart.ts`,
  );
  process.exitCode = 1;
}
