import { describe, expect, it } from 'vitest';
import { serviceEntryKind } from '../../api/service-entry/kind.ts';
import { KindIndex } from './kind-index.ts';
import { type ParseOptions, parseDocument } from './parse-document.ts';
import { entryKind, entryText, validateEntry } from './testing/service-entries.ts';

const clusterKind = { ...entryKind, kind: 'Mesh', scope: 'Cluster' as const };
const options: ParseOptions = {
  kinds: new KindIndex([entryKind, clusterKind]),
  validate: validateEntry,
  defaultNamespace: 'default',
  deliversInvalid: false,
};
const parse = (text: string) => parseDocument(text, options);
const only = (text: string) => {
  const { items } = parse(text);
  expect(items).toHaveLength(1);
  return items[0]!;
};
const problems = (text: string) =>
  parse(text).items.flatMap((item) =>
    item.problems.map(
      (problem) => `${problem.line}:${problem.column} ${problem.severity} ${problem.path ?? ''}: ${problem.message}`,
    ),
  );

describe('an object in order', () => {
  it('is kept in the kind’s version, with metadata cut to what is read', () => {
    const item = only(`
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: a
  uid: from-elsewhere
  managedFields: []
  creationTimestamp: 2026-01-31T12:00:00+01:00
  labels: {app: x}
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: "{}"
spec: {value: "1"}
status: {addresses: [{value: 240.0.0.1}]}
`);
    expect(item.content?.object).toEqual({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'a', namespace: 'default', creationTimestamp: '2026-01-31T11:00:00.000Z', labels: { app: 'x' } },
      spec: { value: '1' },
      status: { addresses: [{ value: '240.0.0.1' }] },
    });
    expect([item.line, item.column, item.problems]).toEqual([5, 9, []]);
  });

  it('is without the fields that are null where its kind does not allow null', () => {
    const [item] = parseDocument(entryText('a', '1', '  endpoints: ~\n'), {
      ...options,
      kinds: new KindIndex([serviceEntryKind]),
    }).items;
    expect(item!.content?.object).toMatchObject({ spec: { value: '1' } });
    expect(item!.content?.object).not.toHaveProperty('spec.endpoints');
  });

  it('has the same hash for the same content in another layout, and a spec hash of its own', () => {
    const hashes = (text: string) => only(text).content!;
    const one = hashes(entryText('a', '1', '  ports: [{number: 80}]\n'));
    const same = hashes(
      `# why\nkind: ServiceEntry\nspec:\n  ports:\n  - number: 80\n  value: '1'\nmetadata: {namespace: ns, name: a}\napiVersion: networking.istio.io/v1beta1\n`,
    );
    const labelled = hashes(entryText('a', '1', '  ports: [{number: 80}]\n').replace('spec:', '  labels: {a: b}\nspec:'));
    expect(same).toMatchObject({ contentHash: one.contentHash, specHash: one.specHash });
    expect(labelled.contentHash).not.toBe(one.contentHash);
    expect(labelled.specHash).toBe(one.specHash);
  });

  it('may be JSON with tabs, use anchors and merges, and the booleans of YAML 1.1', () => {
    const json = only(
      '{\n\t"apiVersion": "networking.istio.io/v1",\n\t"kind": "ServiceEntry",\n\t"metadata": {"name": "a"},\n\t"spec": {"value": "1"}\n}',
    );
    expect(json.content?.object).toMatchObject({ spec: { value: '1' } });
    const merged = only(`${entryText('a', '1')}  x: &x {on: yes, off: No, word: "yes"}\n  y: {<<: *x, more: 1}\n`);
    expect(merged.content?.object).toMatchObject({ spec: { y: { true: true, false: false, word: 'yes', more: 1 } } });
  });

  it('may be an entry of a List', () => {
    const { items } = parse(`apiVersion: v1
kind: List
items:
- ${entryText('a', '1').replaceAll('\n', '\n  ').trimEnd()}
- ${entryText('b', '2').replace('"2"', '2').replaceAll('\n', '\n  ').trimEnd()}
- {apiVersion: v1, kind: Secret, metadata: {name: x}}
- 7
`);
    expect(items.map((item) => [item.name, item.content !== undefined])).toEqual([
      ['a', true],
      ['b', false],
      [undefined, false],
    ]);
    expect(items[1]!.problems).toEqual([
      { severity: 'error', line: 17, column: 12, path: 'items[1].spec.value', message: 'must be a string' },
    ]);
    expect(items[2]!.problems[0]).toMatchObject({ line: 19, path: 'items[3]' });
  });

  it('of a cluster-wide kind has no namespace', () => {
    const item = only('apiVersion: networking.istio.io/v1\nkind: Mesh\nmetadata: {name: a}\nspec: {value: x}');
    expect([item.namespace, item.content?.object.metadata.namespace]).toEqual(['', '']);
  });
});

describe('an object with problems', () => {
  it.each<[string, string, string[]]>([
    [
      'a wrong value',
      entryText('a', '1', '  ports:\n  - number: 80\n  - number: 99999\n'),
      ['10:13 error spec.ports[1].number: must be a port'],
    ],
    ['an unknown field, at its key', entryText('a', '1', '  prots: []\n'), ['8:3 warning spec.prots: is unknown']],
    [
      'a missing field, where it belongs',
      entryText('a', '1').replace('  value: "1"', '  ports: []'),
      ['6:1 error spec.value: is required'],
    ],
    [
      'an unknown version',
      entryText('a', '1').replace('/v1', '/v7'),
      [
        '1:13 error apiVersion: "networking.istio.io/v7" is not a version of ServiceEntry that is read; use one of networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3',
      ],
    ],
    [
      'no kind',
      'apiVersion: v1\nmetadata: {}\n',
      ['1:1 error kind: is required, as a string: every document must be a Kubernetes object'],
    ],
    [
      'no map',
      '- a\n',
      ['1:1 error : is not a Kubernetes object: expected a map with apiVersion, kind and metadata, found a list'],
    ],
    [
      'no metadata',
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nspec: {value: x}',
      ['1:1 error metadata: is required: an object needs metadata.name'],
    ],
    [
      'generateName',
      entryText('a', '1').replace('name:', 'generateName:'),
      ['3:1 error metadata.name: is required: an object in a file cannot use generateName'],
    ],
    [
      'a bad name',
      entryText('A_b', '1'),
      [
        '4:9 error metadata.name: must be a DNS subdomain of at most 253 characters (lower-case letters, digits, "-" and "."), is "A_b"',
      ],
    ],
    [
      'a bad namespace',
      entryText('a', '1').replace('ns\n', '"n.s"\n'),
      [
        '5:14 error metadata.namespace: must be a DNS label of at most 63 characters (lower-case letters, digits and "-"), is "n.s"',
      ],
    ],
    [
      'a label that is a number',
      entryText('a', '1').replace('spec:', '  labels:\n    version: 1.10\nspec:'),
      ['7:14 error metadata.labels.version: must be a string, is 1.1; put it in quotes'],
    ],
    [
      'a bad time',
      entryText('a', '1').replace('spec:', '  creationTimestamp: yesterday\nspec:'),
      ['6:22 error metadata.creationTimestamp: must be an RFC 3339 time such as 2026-01-31T12:00:00Z, is "yesterday"'],
    ],
    ['a key twice', entryText('a', '1', '  value: "2"\n'), ['8:3 error : YAML: Map keys must be unique']],
  ])('%s', (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it.each([
    ['an open list', `${entryText('a', '1')}  ports: [1, 2\n`],
    ['an open quote', `${entryText('a', '1')}  x: "open\n`],
    ['a tab', `${entryText('a', '1')}\tx: 1\n`],
    ['an unknown alias', `${entryText('a', '1')}  x: *nowhere\n`],
    ['garbage before', `{{ template }}\n${entryText('a', '1')}`],
    ['a quote left open early', entryText('a', '1').replace('networking', '"networking')],
  ])('tells who it is despite %s', (what, text) => {
    const item = only(text);
    expect(item.problems[0]).toMatchObject({ severity: 'error', message: expect.stringMatching(/^YAML: /) });
    expect(item.content).toBeUndefined();
    if (!what.startsWith('a quote left'))
      expect([item.kind?.kind, item.namespace, item.name]).toEqual(['ServiceEntry', 'ns', 'a']);
  });

  it('never throws: an alias bomb, deep nesting and binary are problems too', () => {
    const bomb = `${entryText('a', '1')}  a0: &a0 [x]\n${Array.from({ length: 12 }, (_, n) => `  a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join()}]\n`).join('')}`;
    for (const text of [bomb, `${entryText('a', '1')}  deep: ${'['.repeat(20_000)}`, `${entryText('a', '1')}\u0000\u0001`]) {
      const item = only(text);
      expect(item.problems.some((problem) => problem.severity === 'error')).toBe(true);
      expect(item.name).toBe('a');
    }
  });
});

it('errors of the spec are left to the reader on demand, those of anything else are not', () => {
  const contents = (text: string) =>
    parseDocument(text, { ...options, deliversInvalid: true }).items.map((item) => [
      item.problems.length,
      item.content !== undefined,
    ]);
  expect(contents(entryText('a', '1').replace('"1"', '7'))).toEqual([[1, true]]);
  expect(contents(entryText('A_b', '1'))).toEqual([[1, false]]);
  expect(contents(entryText('a', '1').replace('/v1', '/v7'))).toEqual([[1, false]]);
  expect(contents(`${entryText('a', '1')}  x: [`)).toEqual([[1, false]]);
});

it('objects of other kinds are named and left alone', () => {
  expect(parse('apiVersion: apps/v1\nkind: Deployment\n')).toEqual({
    items: [],
    ignored: [{ apiVersion: 'apps/v1', kind: 'Deployment', line: 1 }],
  });
  expect(parse('apiVersion: other.io/v1\nkind: ServiceEntry\n').ignored).toHaveLength(1);
});

it('a document without content has no objects', () => {
  for (const text of ['', '---\n', '# only\n', '--- ~\n', 'null\n']) expect(parse(text)).toEqual({ items: [], ignored: [] });
});
