import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { meshKinds } from '../../src/api/index.ts';
import { resourcePath } from '../../src/runtime/client/resource-path.ts';
import type { KubernetesObject } from '../../src/runtime/object.ts';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import { makeNamespace } from '../env/operator.ts';

const root = join(import.meta.dirname, '../..');
const styles = ['service-entries.yaml', 'proxies.yaml'];
const objects = await Promise.all(
  styles.map(async (name) => {
    const text = await readFile(join(root, 'e2e/testdata/istio-style', name), 'utf8');
    return parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject & { spec: object });
  }),
);

/** What the schemas refuse, and what the API server says then. */
const refusals: readonly [spec: string, kind: string, said: RegExp][] = [
  ['{}', 'ServiceEntry', /spec\.hosts: Required value/],
  ['{hosts: ["*"]}', 'ServiceEntry', /spec\.hosts\[0\]: Invalid value: .*wildcard/i],
  [
    '{hosts: [a.example], ports: [{number: 0, name: a}]}',
    'ServiceEntry',
    /spec\.ports\[0\]\.number: .*(greater than or equal to 1|between)/,
  ],
  [
    '{hosts: [a.example], ports: [{number: 80, name: a}, {number: 80, name: b}]}',
    'ServiceEntry',
    /port number cannot be duplicated/i,
  ],
  ['{hosts: [a.example], location: INSIDE}', 'ServiceEntry', /spec\.location: Unsupported value: "INSIDE": supported values: /],
  ['{hosts: [a.example], resolution: NONE, endpoints: [{address: 192.0.2.1}]}', 'ServiceEntry', /NONE mode cannot set endpoints/],
  [
    '{hosts: [a.example], endpoints: [{address: 192.0.2.1}], workloadSelector: {labels: {a: b}}}',
    'ServiceEntry',
    /only one of WorkloadSelector or Endpoints/i,
  ],
  ['{hosts: [a.example], port: 80}', 'ServiceEntry', /\.spec\.port: field not declared in schema/],
  ['{egress: [{captureMode: SOME, hosts: ["./*"]}]}', 'Sidecar', /captureMode: Unsupported value: "SOME"/],
  ['{address: 192.0.2.1, weight: -1}', 'WorkloadEntry', /spec\.weight/],
  ['{configPatches: [{applyTo: EVERYTHING}]}', 'EnvoyFilter', /applyTo: Unsupported value: "EVERYTHING"/],
  [
    '{workloadSelector: {labels: {a: b}}, targetRefs: [{kind: Gateway, name: g}]}',
    'EnvoyFilter',
    /only one of targetRefs or workloadSelector/i,
  ],
];

const crds = [
  { name: 'Weft’s CRDs', path: join(root, 'crds'), isOurs: true },
  { name: 'Istio’s own CRDs', path: join(root, 'src/status/testdata/istio-crds.yaml'), isOurs: false },
];

describe.each(crds)('$name', ({ path, isOurs }) => {
  describeApi(
    'on an API server',
    (env) => {
      const dryRun = (object: KubernetesObject) => {
        const [group, version] = object.apiVersion.split('/');
        const kind = meshKinds.find((candidate) => candidate.kind === object.kind)!;
        const query = { dryRun: 'All', fieldValidation: 'Strict', fieldManager: 'kubectl', force: true };
        return env().rest.request<KubernetesObject>({
          ...{ method: 'PATCH', query, body: object, contentType: 'application/apply-patch+yaml' },
          path: `${resourcePath({ ...kind, group: group!, version: version! }, object.metadata.namespace)}/${object.metadata.name}`,
        });
      };
      beforeAll(async () => {
        for (const name of ['shop', 'istio-config']) await makeNamespace(env().rest, name);
      });

      it('have structural schemas', async () => {
        const found = await env().rest.request<{ items: { status: { conditions: { type: string; status: string }[] } }[] }>({
          path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
        });
        expect(found.items).toHaveLength(meshKinds.length);
        for (const { status } of found.items) {
          const holding = status.conditions.filter((condition) => condition.status === 'True').map(({ type }) => type);
          expect(holding.toSorted()).toEqual(['Established', 'NamesAccepted']);
        }
      });

      it.each(objects.flat().map((object) => [`${object.apiVersion} ${object.kind} ${object.metadata.name}`, object] as const))(
        'take %s as it is',
        async (_, object) => {
          expect(await dryRun(object)).toMatchObject({ spec: object.spec });
        },
      );

      it.runIf(isOurs).each(refusals)('refuse %s of a %s', async (spec, kind, said) => {
        const version = kind === 'EnvoyFilter' ? 'v1alpha3' : 'v1';
        const object = { apiVersion: `networking.istio.io/${version}`, kind, metadata: { name: 'bad', namespace: 'shop' } };
        await expect(dryRun({ ...object, spec: parse(spec) } as KubernetesObject)).rejects.toThrow(said);
      });
    },
    { crdPaths: [path] },
  );
});
