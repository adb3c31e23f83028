import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { defaultMeshConfig } from '../mesh/mesh-config.ts';
import { loadBootstrapFilters } from './load-bootstrap-filters.ts';

const filter = (name: string, namespace: string, patches: string, more = '') => `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${more} configPatches: [${patches}]}
`;
const merge = (value: string) => `{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: ${value}}}`;
const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {generateName: web-}\nspec: {containers: [{name: web}]}\n';
const bootstrap = { node: { id: 'a' } };
const web = { namespace: 'shop', labels: { app: 'web' } };

let folder: string;
let warnings: string[];
const warn = (message: string): void => {
  warnings.push(message);
};
const load = (text: string, paths: string[] = []) =>
  loadBootstrapFilters({ text, file: 'web.yaml', paths }, { ...defaultMeshConfig, rootNamespace: 'root' }, warn);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-filters-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

it('applies the EnvoyFilters of the file and of directories that are for the pod', async () => {
  writeFileSync(join(folder, 'mesh.yaml'), filter('all', 'root', merge('{header_prefix: x-mesh, stats_flush_interval: 1s}')));
  const own = filter('flush', 'shop', merge('{stats_flush_interval: 9s}'), 'workloadSelector: {labels: {app: web}},');
  const shape = await load(`${pod}---${own}---${filter('theirs', 'bank', merge('{header_prefix: x-bank}'))}`, [folder]);
  expect(shape!(bootstrap, web)).toEqual({ ...bootstrap, header_prefix: 'x-mesh', stats_flush_interval: '9s' });
  expect(shape!(bootstrap, { namespace: 'shop', labels: {} })).toEqual({
    ...bootstrap,
    header_prefix: 'x-mesh',
    stats_flush_interval: '1s',
  });
  expect(warnings).toEqual([]);
});

it('takes the file’s own of two of a name', async () => {
  writeFileSync(join(folder, 'flush.yaml'), filter('flush', 'shop', merge('{stats_flush_interval: 1s}')));
  const shape = await load(filter('flush', 'shop', merge('{stats_flush_interval: 2s}')), [folder]);
  expect(shape!(bootstrap, web)).toMatchObject({ stats_flush_interval: '2s' });
});

it('applies those of the file first where no dates say otherwise', async () => {
  writeFileSync(join(folder, 'a.yaml'), filter('a', 'shop', merge('{header_prefix: x-path}')));
  const shape = await load(filter('b', 'shop', merge('{header_prefix: x-file}')), [folder]);
  expect(shape!(bootstrap, web)).toMatchObject({ header_prefix: 'x-path' });
});

it('has nothing to do without EnvoyFilters', async () => {
  expect(await load(pod)).toBeUndefined();
  expect(warnings).toEqual([]);
});

it('says which filter, and which patch, is not applied', async () => {
  const shape = await load(
    `${filter('bad', 'shop', merge('{stats_flush_interval: soon}'))}---${filter(
      'half',
      'shop',
      `${merge('{header_prefix: x}')}, ${merge('{node: {cluster: {}}}')}`,
    )}`,
  );
  expect(warnings).toEqual([
    expect.stringMatching(/^warning: not applied: web\.yaml:5:.*EnvoyFilter shop\/bad: spec\.configPatches\[0\]/),
    expect.stringMatching(/^warning: not applied: web\.yaml:\d+:.*EnvoyFilter shop\/half: spec\.configPatches\[1\]/),
  ]);
  expect(shape).toBeUndefined();
});

it('tells of a patch that does not apply to this bootstrap', async () => {
  const shape = await load(filter('flush', 'shop', merge('{stats_flush_interval: 9s}')));
  const strange = { ...bootstrap, nobody: 'knows' };
  expect(shape!(strange, web)).toBe(strange);
  expect(warnings).toEqual([expect.stringContaining('warning: A bootstrap could not be patched')]);
});

it('refuses a path that is not there', async () => {
  await expect(load(pod, [join(folder, 'nothing')])).rejects.toThrow('nothing: does not exist');
});
