import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadInjectionConfig } from '../../src/cli/load-injection-config.ts';
import { knownChartValues } from '../../src/webhooks/injector/config/chart-values.ts';
import type { InjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import { readInjectionConfig } from '../../src/webhooks/injector/config/read-injection-config.ts';
import { chartFolder, findHelm, runHelm, templateArgs } from './helm.ts';
import { parseManifests, readRender, renders, rendersFolder } from './renders.ts';
import { valuesSchema } from './values-schema.ts';

/** What `weft inject --values FILE` goes by. */
const loadValues = (file: string, namespace = 'weft-system'): InjectionConfig => {
  const warn = (message: string) => expect.fail(message);
  return loadInjectionConfig(file, { flag: '--values', warn, namespace }).config;
};

/** What the operator of a release goes by. */
const readConfigMap = (map: { readonly data: Record<string, string> } | undefined): InjectionConfig => {
  const { config, errors, warnings } = readInjectionConfig(map!.data['injection.yaml']!, 'injection.yaml');
  expect([errors, warnings]).toEqual([[], []]);
  return config;
};

const ofRender = (file: string) => readConfigMap(readRender<{ data: Record<string, string> }>(file, 'ConfigMap'));

describe('weft inject goes by the chart’s values as the operator by the chart’s ConfigMap', () => {
  it('with the defaults', () => {
    expect(loadValues(join(chartFolder, 'values.yaml'))).toEqual(ofRender('defaults.out.yaml'));
  });

  it.each(renders.filter((file) => file !== 'defaults.out.yaml'))('%s', (file) => {
    expect(loadValues(join(rendersFolder, file.replace('.out.', '.values.')))).toEqual(ofRender(file));
  });

  const helm = findHelm();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-values-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.skipIf(!helm).each([
    ['a revision alone', 'revision: v1\ninjection: {}'],
    ['the default revision by its name', 'revision: default\nrevisionTags: ["", prod]\nmeshConfig: {}'],
    ['images', 'initImage: {repository: r.example/init, tag: "2"}'],
    ['a digest', `initImage: {repository: r.example/init, digest: "sha256:${'0'.repeat(64)}"}`],
    [
      'everything overridden',
      'revision: v1\nrevisionTags: [a]\ninjection: {revision: other, revisionTags: [b], init: {image: mine}, xds: {address: "h:1", caConfigMap: c}}',
    ],
    [
      'what is taken away',
      'injection: {ignoredNamespaces: null, enableNamespacesByDefault: null, proxy: {seccompProfile: null, resources: {limits: null}}}',
    ],
    ['namespaces, one of them the release’s', 'injection: {ignoredNamespaces: [infra, mesh]}'],
    ['pull secrets of both forms', 'injection: {imagePullSecrets: [a, {name: b}]}'],
  ])('%s, in another namespace', async (_, values) => {
    const file = join(folder, 'values.yaml');
    writeFileSync(file, values);
    const { stdout, stderr } = await runHelm(helm!, templateArgs('--namespace', 'mesh', '--values', file));
    expect(stderr).toBe('');
    const map = parseManifests(stdout).find(({ kind }) => kind === 'ConfigMap');
    expect(loadValues(file, 'mesh')).toEqual(readConfigMap(map as Parameters<typeof readConfigMap>[0]));
  });
});

it('a file is known for the chart’s values by any value that only the chart has', () => {
  const { properties } = valuesSchema() as { properties: object };
  expect([...knownChartValues].sort()).toEqual(Object.keys(properties).sort());
});
