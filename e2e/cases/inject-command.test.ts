import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { runWeft } from '../env/control-plane.ts';

const deployment = `# kept
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web, on: "yes"}}
    spec: {containers: [{name: web, image: "web:1"}]}
`;
const service = '# a service\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-inject-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = async (name: string, text: string): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

describe('weft inject', () => {
  it('prints what it was given, with sidecars, as YAML that kubectl reads alike', async () => {
    const file = await write('web.yaml', `${service}---\n${deployment}`);
    const { code, stdout, stderr } = await runWeft(['inject', '-f', file]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('# a service');
    const documents = parseAllDocuments(stdout, { version: '1.1' }).map((document) => document.toJS());
    expect(documents[0]).toEqual({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } });
    const { metadata, spec } = documents[1].spec.template;
    expect(metadata.labels).toMatchObject({ app: 'web', on: 'yes', 'service.istio.io/canonical-name': 'web' });
    expect(spec.initContainers.map(({ name }: { name: string }) => name)).toEqual(['istio-init', 'istio-proxy']);
    const again = await write('again.yaml', stdout);
    expect((await runWeft(['inject', '-f', again])).stdout).toBe(stdout);
  });

  it('prints the rules instead, each family behind a line that names it', async () => {
    const file = await write('web.yaml', deployment);
    const { code, stdout } = await runWeft(['inject', '-f', file, '--print-rules']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^# IPv4: iptables-restore\n\*nat\n[^#]*127\.0\.0\.6\/32[^#]*COMMIT\n# IPv6: ip6tables-restore\n\*nat\n[^#]*::6\/128[^#]*COMMIT$/,
    );
  });

  it('takes values and a mesh config', async () => {
    const file = await write('web.yaml', deployment);
    const values = await write('values.yaml', 'injection:\n  proxy: { image: "my/envoy:1" }\nreplicas: 2\n');
    const mesh = await write('mesh.yaml', 'defaultConfig: { interceptionMode: NONE }\n');
    const { code, stdout } = await runWeft(['inject', '-f', file, '--values', values, '--mesh-config', mesh]);
    expect(code).toBe(0);
    expect(stdout).toContain('image: my/envoy:1');
    expect(stdout).not.toContain('istio-init');
  });

  it('says why a pod gets no sidecar: by the labels of its namespace, discoverySelectors, or its templates', async () => {
    const mesh = await write('mesh.yaml', 'discoverySelectors: [{matchLabels: {mesh: "on"}}]\n');
    const inNamespace = (labels: string) =>
      write('web.yaml', `apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: ${labels}}\n---\n${deployment}`);
    const tell = async (labels: string, ...more: string[]) => {
      const { code, stdout, stderr } = await runWeft(['inject', '-f', await inNamespace(labels), '--mesh-config', mesh, ...more]);
      return { code, isInjected: stdout.includes('istio-proxy'), stderr };
    };
    expect(await tell('{istio-injection: disabled}')).toEqual({
      ...{ code: 0, isInjected: false },
      stderr: 'Deployment shop/web is not injected: its namespace has the label istio-injection=disabled',
    });
    expect(await tell('{istio-injection: enabled}')).toEqual({
      ...{ code: 0, isInjected: false },
      stderr:
        "Deployment shop/web is not injected: no entry of the mesh config's discoverySelectors matches the labels of namespace shop",
    });
    expect(await tell('{istio-injection: enabled, mesh: "on"}')).toEqual({ code: 0, isInjected: true, stderr: '' });
    const values = await write(
      'values.yaml',
      'templates: {extra: {metadata: {labels: {extra: "yes"}}}}\ndefaultTemplates: [extra]\n',
    );
    expect(await tell('{mesh: "on"}', '--values', values, '--print-rules')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^Deployment shop\/web gets no sidecar: its templates leave it out\n.*no pod in it gets a sidecar/,
      ),
    });
  });

  it('applies EnvoyFilters to the bootstrap, from the file and from --config', async () => {
    const filter = (name: string, value: string) =>
      `apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: ${name}, namespace: shop}\n` +
      `spec: {configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: ${value}}}]}\n`;
    const file = await write('web.yaml', `${deployment}---\n${filter('here', '{header_prefix: x-here}')}`);
    const config = await write('there.yaml', filter('there', '{stats_flush_interval: 9s}'));
    const { code, stdout, stderr } = await runWeft(['inject', '-f', file, '-c', config]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('"header_prefix":"x-here"');
    expect(stdout).toContain('"stats_flush_interval":"9s"');
    expect(await runWeft(['inject', '-f', file, '-c', 'nowhere'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--config nowhere: does not exist'),
    });
  });

  it.each([
    [
      'a bad annotation',
      deployment.replace('{labels:', '{annotations: {sidecar.istio.io/logLevel: loud}, labels:'),
      [],
      'Deployment shop/web: pod shop/web-* cannot be injected: invalid value "loud" for annotation sidecar.istio.io/logLevel',
    ],
    ['bad values', deployment, ['ipFamilies: both\n'], 'values.yaml:1:13: ipFamilies: must be one of auto, ipv4, ipv6, dual'],
    ['what is no YAML', 'a: [', [], 'web.yaml'],
  ])('exits 1 with the reason and prints nothing: %s', async (_, text, [values], reason) => {
    const file = await write('web.yaml', text);
    const more = values === undefined ? [] : ['--values', await write('values.yaml', values)];
    const { code, stdout, stderr } = await runWeft(['inject', '-f', file, ...more]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(reason);
  });

  it('exits 1 when there is no file, and says when no pod has rules', async () => {
    expect(await runWeft(['inject', '-f', join(folder, 'nothing.yaml')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ENOENT'),
    });
    const file = await write('service.yaml', service);
    expect(await runWeft(['inject', '-f', file, '--print-rules'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no pod in it gets a sidecar'),
    });
  });
});
