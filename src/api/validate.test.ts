import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FindingList, formatFinding, formatPath, hasErrors, Place } from './finding.ts';
import {
  envoyFilterKind,
  type MeshKind,
  meshKindOf,
  meshKinds,
  serviceEntryKind,
  sidecarKind,
  validate,
  workloadEntryKind,
} from './index.ts';
import { compileStructure, explainStructure } from './structure.ts';
import { loadEnvoyTypes } from './testing/envoy-types.ts';
import {
  envoyFilter,
  fullEnvoyFilter,
  fullServiceEntry,
  fullSidecar,
  fullWorkloadEntry,
  serviceEntry,
  sidecar,
  workloadEntry,
} from './testing/objects.ts';

const envoyTypes = loadEnvoyTypes();
const examples: readonly [MeshKind, object][] = [
  [serviceEntryKind, serviceEntry(fullServiceEntry)],
  [sidecarKind, sidecar(fullSidecar)],
  [envoyFilterKind, envoyFilter(fullEnvoyFilter)],
  [workloadEntryKind, workloadEntry(fullWorkloadEntry)],
];
const valid = serviceEntry(fullServiceEntry);
const texts = (object: unknown) => validate(serviceEntryKind, object).map((found) => `${found.severity} ${formatFinding(found)}`);

describe('validate', () => {
  it('takes every version that Istio has published, for every kind', () => {
    for (const [kind, object] of examples) {
      for (const version of ['v1', 'v1beta1', 'v1alpha3']) {
        expect(validate(kind, { ...object, apiVersion: `networking.istio.io/${version}` }, { envoyTypes })).toEqual([]);
        expect(meshKindOf(`networking.istio.io/${version}`, kind.kind)).toBe(kind);
      }
    }
    expect(meshKindOf('networking.istio.io/v1', 'Gateway')).toBeUndefined();
    expect(meshKindOf('v1', 'Sidecar')).toBeUndefined();
  });

  it.each<[string, unknown, string[]]>([
    ['a list', [], ['error must be a map of fields, found a list']],
    ['nothing', null, ['error must be a map of fields, found nothing (null)']],
    ['no spec', { ...valid, spec: undefined }, ['error spec: is required']],
    ['an empty spec', { ...valid, spec: null }, ['error spec: must be a map of fields, found nothing (null)']],
    ['another kind', { ...valid, kind: 'Service' }, ['error kind: must be ServiceEntry, found the string "Service"']],
    [
      'another version',
      { ...valid, apiVersion: 'networking.istio.io/v2' },
      [expect.stringMatching(/^error apiVersion: must be one of networking.istio.io\/v1, .*v2"$/)],
    ],
    ['a version that is none', { ...valid, apiVersion: 1 }, ['error apiVersion: must be a string, found 1']],
    ['no name', { ...valid, metadata: {} }, ['error metadata.name: is required']],
    [
      'a name that is none',
      serviceEntry(fullServiceEntry, { name: 'A' }),
      [expect.stringMatching(/^error metadata.name: "A" is not an object name/)],
    ],
    [
      'a namespace that is none',
      serviceEntry(fullServiceEntry, { namespace: 'a.b' }),
      [expect.stringMatching(/^error metadata.namespace: "a.b" is not a namespace/)],
    ],
    [
      'a label that is no text',
      serviceEntry(fullServiceEntry, { labels: { on: true } }),
      ['error metadata.labels.on: must be a string, found true'],
    ],
    [
      'a label that is no label',
      serviceEntry(fullServiceEntry, { labels: { a: '-' } }),
      [expect.stringMatching(/^error metadata.labels.a: "-" is not a label value/)],
    ],
    ['no namespace yet', serviceEntry(fullServiceEntry, { namespace: undefined }), []],
    ['metadata of the API server', serviceEntry(fullServiceEntry, { managedFields: [], selfLink: '' }), []],
    ['a status of any shape', { ...valid, status: { observedGeneration: '7', more: 1 } }, []],
    ['a field beside spec', { ...valid, specs: {} }, ['warning specs: unknown field, it has no effect; did you mean spec?']],
    [
      'a misspelt field',
      serviceEntry({ ...fullServiceEntry, resolutoin: 'DNS' }),
      ['warning spec.resolutoin: unknown field, it has no effect; did you mean resolution?'],
    ],
    [
      'a field in snake case',
      serviceEntry({ ...fullServiceEntry, export_to: [] }),
      ['warning spec.export_to: unknown field, it has no effect; did you mean exportTo?'],
    ],
    [
      'an unknown field',
      serviceEntry(JSON.parse('{"hosts": ["a.com"], "__proto__": {"ports": 1}}')),
      ['warning spec.__proto__: unknown field, it has no effect'],
    ],
    [
      'a number as text',
      serviceEntry({ hosts: ['a.com'], ports: [{ number: '80', name: 'a' }] }),
      ['error spec.ports[0].number: must be an integer, found the string "80"'],
    ],
    [
      'too many entries',
      serviceEntry({ hosts: Array.from({ length: 257 }, (_, i) => `a${i}.com`) }),
      ['error spec.hosts: has 257 entries, at most 256 are allowed'],
    ],
    [
      'a label that is too long',
      serviceEntry({ hosts: ['a.com'], resolution: 'STATIC', workloadSelector: { labels: { a: 'b'.repeat(64) } } }),
      ['error spec.workloadSelector.labels.a: is 64 characters long, at most 63 are allowed'],
    ],
  ])('%s', (_, object, expected) => {
    expect(texts(object)).toEqual(expected);
  });

  it('tells of a mistake and of an unknown field at once, and tries no rules on a wrong structure', () => {
    expect(texts(serviceEntry({ hosts: ['*'], ports: 80, locations: 'MESH_INTERNAL' }))).toEqual([
      'error spec.ports: must be a list, found 80',
      'warning spec.locations: unknown field, it has no effect; did you mean location?',
    ]);
  });

  it('keeps a bounded number of findings and never loses that there are errors', () => {
    const unknown = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, 1]));
    const found = validate(serviceEntryKind, serviceEntry({ ...unknown, hosts: Array(100_000).fill(1) }));
    expect(found.length).toBeLessThan(210);
    expect(hasErrors(found)).toBe(true);
    expect(found.map((finding) => finding.message)).toContain('4900 further warnings of this object are not shown');
  });

  it('changes nothing in the object', () => {
    const frozen = JSON.parse(JSON.stringify(valid), (_, value) => Object.freeze(value));
    expect(validate(serviceEntryKind, frozen)).toEqual([]);
  });
});

describe('whatever is passed in', () => {
  it('is answered with findings, never with a throw: any JSON', () => {
    fc.assert(
      fc.property(fc.constantFrom(...meshKinds), fc.jsonValue(), (kind, value) => {
        expect(hasErrors(validate(kind, value, { envoyTypes }))).toBe(true);
        validate(
          kind,
          { apiVersion: 'networking.istio.io/v1', kind: kind.kind, metadata: { name: 'a' }, spec: value },
          { envoyTypes },
        );
      }),
    );
  });

  it('is answered with findings, never with a throw: a valid object with one change', () => {
    const change = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('*', '', '/', 'unix://', '~', '0', -1, 0, 1e21, 0.5, '__proto__', '10.0.0.0/99'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...examples), fc.nat(), change, ([kind, object], pick, value) => {
        const mutated = mutate(object, pick, value);
        for (const finding of validate(kind, mutated, { envoyTypes })) {
          expect(finding.message).not.toBe('');
          expect(formatPath(finding.segments)).toBe(finding.path);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is found right by the compiled check only if the explaining one agrees', () => {
    const checks = new Map(examples.map(([kind]) => [kind, compileStructure(kind.specSchema)]));
    fc.assert(
      fc.property(fc.constantFrom(...examples), fc.nat(), fc.jsonValue({ maxDepth: 2 }), ([kind, object], pick, value) => {
        const spec = mutate((object as { spec: unknown }).spec, pick, value);
        const fast = new FindingList();
        const slow = new FindingList();
        checks.get(kind)!(spec, new Place(fast));
        explainStructure(kind.specSchema, spec, new Place(slow));
        expect(fast.toArray()).toEqual(slow.toArray());
      }),
    );
  });
});

/** A copy of a value in which the node counted by `pick` is replaced. */
function mutate(value: unknown, pick: number, replacement: unknown): unknown {
  const paths: (string | number)[][] = [];
  const collect = (node: unknown, path: (string | number)[]) => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      const child = [...path, Array.isArray(node) ? Number(key) : key];
      paths.push(child);
      collect((node as Record<string, unknown>)[key], child);
    }
  };
  collect(value, []);
  const target = paths[pick % paths.length]!;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  let parent = copy;
  for (const segment of target.slice(0, -1)) parent = parent[segment] as Record<string | number, unknown>;
  parent[target.at(-1)!] = replacement;
  return copy;
}
