import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chartFolder, findHelm, runHelm, templateArgs } from './helm.ts';
import { type Manifest, parseManifests } from './renders.ts';

/** `npm run golden` rewrites every expectation. */
const isUpdate = process.env.UPDATE_GOLDEN === '1';
const directory = join(import.meta.dirname, 'testdata');
const helm = findHelm();

/** What a values file gives; of long documents that are files of the repository, only their heads. */
async function render(values: string): Promise<string> {
  const { code, stdout, stderr } = await runHelm(helm!, templateArgs('--values', values));
  if (code !== 0) throw new Error(stderr);
  const documents = stdout.split(/^---\n/m).slice(1);
  const shorten = (document: string) =>
    document
      .replace(/(\nkind: CustomResourceDefinition\n[\s\S]*?\n)spec:\n[\s\S]*/, '$1spec: …\n')
      .replace(/(\n {2}weft\.json: \|\n)[\s\S]*/, '$1    …\n');
  return documents.map((document) => `---\n${shorten(document)}`).join('');
}

describe.skipIf(!helm)('the chart', () => {
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.values.yaml'))) {
    it(file.replace('.values.yaml', ''), async () => {
      const actual = await render(join(directory, file));
      const expected = join(directory, file.replace('.values.yaml', '.out.yaml'));
      if (isUpdate || !existsSync(expected)) {
        if (process.env.CI && !isUpdate) throw new Error(`${expected} is missing`);
        writeFileSync(expected, actual);
      }
      expect(actual).toBe(readFileSync(expected, 'utf8'));
    });
  }

  it('is without blame for helm', async () => {
    const { code, stdout } = await runHelm(helm!, ['lint', '--strict', chartFolder]);
    expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(code).toBe(0);
  });

  it.each([
    ['a value that there is not', 'replica=3', /additional properties 'replica' not allowed/],
    ['a value of another form', 'replicas=none', /replicas.*got string, want integer/s],
    ['an injection setting that there is not', 'injection.proxy.img=x', /additional properties 'img' not allowed/],
    ['a revision that is no name', 'revision=V1_2', /revision.*does not match pattern/s],
    [
      'a replica that is killed while it drains',
      'drainSeconds=45',
      /drainSeconds \(45\) has to be less than terminationGracePeriodSeconds \(45\)/,
    ],
    [
      'names for a certificate that is not Weft’s',
      'certificates.existingSecret=tls,certificates.names={a.example}',
      /certificates.existingSecret \(tls\) has to come with its names/,
    ],
  ])('refuses %s', async (_, set, problem) => {
    const { code, stderr } = await runHelm(helm!, templateArgs('--set', set));
    expect(code).toBe(1);
    expect(stderr).toMatch(problem);
  });

  it.each([
    ['no tags, as helm writes an empty list', 'revisionTags={}'],
    ['no tags at all', 'revisionTags=null'],
    ['a setting that is taken away', 'injection.enableNamespacesByDefault=null'],
    ['a group of settings that is taken away', 'injection.xds=null'],
  ])('takes %s for none', async (_, set) => {
    const { code, stdout } = await runHelm(helm!, templateArgs('--set', set));
    expect(code).toBe(0);
    const [plain, given] = [(await runHelm(helm!, templateArgs())).stdout, stdout].map((text) =>
      parseManifests(text).filter(({ kind }) => kind.endsWith('WebhookConfiguration')),
    );
    expect(given).toEqual(plain);
  });

  it('has defaults for what is taken away as a whole', async () => {
    const { code, stdout, stderr } = await runHelm(
      helm!,
      templateArgs('--set', 'injection=null,commonLabels=null,podLabels=null'),
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toMatch(/ignoredNamespaces:\n *- weft-system\n *init:/);
  });

  it('leaves the number of replicas to an autoscaler, and keeps the disruption budget', async () => {
    const { stdout } = await runHelm(helm!, templateArgs('--set', 'replicas=null'));
    const manifests = parseManifests(stdout) as (Manifest & { spec?: object })[];
    expect(manifests.find(({ kind }) => kind === 'Deployment')!.spec).not.toHaveProperty('replicas');
    expect(manifests.map(({ kind }) => kind)).toContain('PodDisruptionBudget');
  });

  it('restarts where an injection setting changes that is read at the start, and nowhere else', async () => {
    const podOf = async (set: string) => {
      const { stdout } = await runHelm(helm!, templateArgs('--set', set));
      const manifests = parseManifests(stdout) as (Manifest & { spec?: { template?: object } })[];
      return manifests.find(({ kind }) => kind === 'Deployment')!.spec!.template;
    };
    const before = await podOf('injection.xds.tokenAudience=istio-ca');
    expect(await podOf('injection.xds.tokenAudience=mesh')).toEqual(before);
    for (const set of [
      'injection.xds.caConfigMap=ca',
      'injection.xds.caKey=ca.pem',
      'injection.clusterDomain=example.org',
      'webhooks.clientCa=PEM',
    ])
      expect(await podOf(set)).not.toEqual(before);
  });

  it('never holds a caBundle or a secret', async () => {
    const rendered = await render(join(directory, 'defaults.values.yaml'));
    expect(rendered).toContain('MutatingWebhookConfiguration');
    expect(rendered).not.toMatch(/caBundle:|kind: Secret/);
  });
});
