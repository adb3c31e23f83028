import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Manifest, parseManifests, renders, rendersFolder } from './renders.ts';

type Labels = Readonly<Record<string, string>>;
type Workload = Manifest & { readonly spec?: { readonly template?: { readonly metadata?: { readonly labels?: Labels } } } };

const read = (file: string) => readFileSync(join(rendersFolder, file), 'utf8');

/** The labels of every object of a render, hooks too, and of the pods that it is a template of. */
const labelsOf = (file: string): [string, Labels][] =>
  (parseManifests(read(file)) as Workload[]).flatMap(({ kind, metadata, spec }): [string, Labels][] => {
    const pods = spec?.template?.metadata?.labels;
    return [
      [`${kind} ${metadata.name}`, metadata.labels ?? {}],
      ...(pods ? [[`pods of ${metadata.name}`, pods] as [string, Labels]] : []),
    ];
  });

it.each(renders)('%s: no key is written twice', (file) => {
  expect(parseAllDocuments(read(file), { uniqueKeys: true }).flatMap(({ errors }) => errors)).toEqual([]);
});

describe('labels that are given for everything', () => {
  const all = labelsOf('everything.out.yaml');

  it('are on everything', () => {
    expect(all.length).toBeGreaterThan(20);
    expect(all.filter(([, labels]) => labels.cost === undefined).map(([what]) => what)).toEqual([]);
  });

  it('replace none of the chart’s own', () => {
    expect(new Set(all.map(([, labels]) => labels['app.kubernetes.io/name']))).toEqual(
      new Set(['weft', 'weft-test', 'weft-release-objects']),
    );
    const partOf = new Set(
      all.filter(([what]) => !what.startsWith('ServiceMonitor')).map(([, labels]) => labels['app.kubernetes.io/part-of']),
    );
    expect(partOf).toEqual(new Set(['weft']));
  });

  it('are replaced by those of pods alone, and those by which others select', () => {
    const of = new Map(all);
    expect(of.get('pods of weft')).toMatchObject({
      cost: 'gateway',
      'app.kubernetes.io/name': 'weft',
      'istio.io/rev': 'default',
    });
    expect(of.get('ServiceMonitor weft')).toMatchObject({ 'app.kubernetes.io/part-of': 'monitoring' });
  });
});
