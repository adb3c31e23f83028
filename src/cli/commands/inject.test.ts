import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Printed, runCommand } from '../testing/run-command.ts';
import { addInjectCommand } from './inject.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-inject-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

interface InjectedPod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly initContainers: readonly { readonly name: string; readonly image: string; readonly env?: readonly object[] }[];
    readonly volumes: readonly { readonly name: string; readonly projected?: object; readonly configMap?: object }[];
  };
}

const pod =
  '{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: web, image: "web:1"}]}}';

/** What is made of a pod with these values. */
async function inject(values: string, ...flags: string[]): Promise<Printed> {
  const files = { pod: join(folder, 'pod.yaml'), values: join(folder, 'values.yaml') };
  writeFileSync(files.pod, pod);
  writeFileSync(files.values, values);
  return runCommand(addInjectCommand, ['inject', '-f', files.pod, '--values', files.values, ...flags], folder);
}

const chart = `
revision: v1
initImage: {repository: registry.example/init, tag: "7"}
meshConfig:
  # Of all pods.
  enablePrometheusMerge: true
  defaultConfig: {proxyMetadata: {FLAVOUR: sweet}}
injection: {proxy: {image: registry.example/envoy:v1.40.0}}
`;

it('takes the names of the release, its mesh config and its revision from the chart’s values', async () => {
  const { stdout, stderr, error } = await inject(chart, '--operator-namespace', 'mesh');
  expect({ stderr, error }).toEqual({ stderr: '', error: undefined });
  const { metadata, spec } = parse(stdout) as InjectedPod;
  expect(metadata.annotations?.['istio.io/rev']).toBe('v1');
  const [init, proxy] = spec.initContainers;
  expect([init?.image, proxy?.image]).toEqual(['registry.example/init:7', 'registry.example/envoy:v1.40.0']);
  expect(proxy?.env).toContainEqual({ name: 'FLAVOUR', value: 'sweet' });
  expect(stdout).toContain('weft-v1.mesh.svc');
  expect(JSON.stringify(spec.volumes)).toContain('"weft-v1-ca-root-cert"');
  expect(stdout).not.toContain('istio-ca-root-cert');
});

it('prefers a mesh config of its own', async () => {
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, 'defaultConfig: {proxyMetadata: {FLAVOUR: sour}}');
  const { stdout } = await inject(chart, '--mesh-config', file);
  expect((parse(stdout) as InjectedPod).spec.initContainers[1]?.env).toContainEqual({ name: 'FLAVOUR', value: 'sour' });
});

it('tells what is wrong in the mesh config of values where it stands', async () => {
  const values = 'replicas: 1\nmeshConfig:\n  rootNamespace: a\n  enablePrometheusMerge: maybe\n';
  expect((await inject(values)).error).toMatch(/^\/values\.yaml:4:26: enablePrometheusMerge: /);
});
