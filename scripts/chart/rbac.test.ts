import { describe, expect, it } from 'vitest';
import { findHelm, runHelm, templateArgs } from './helm.ts';
import { type Manifest, parseManifests } from './renders.ts';

const helm = findHelm();

type Role = Manifest & {
  readonly rules: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
};

/** What an account of the chart may do with these values: `VERB RESOURCE`. */
async function grants(name: string, ...values: string[]): Promise<string[]> {
  const { stdout } = await runHelm(helm!, templateArgs(...values.flatMap((value) => ['--set', value])));
  const roles = parseManifests(stdout).filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name === name) as Role[];
  return roles.flatMap(({ rules }) =>
    rules.flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`))),
  );
}

describe.skipIf(!helm)('what the operator may do', () => {
  it.each<[string, RegExp]>([
    ['status.enabled=false', /^(get|patch) (serviceentries|sidecars|envoyfilters|workloadentries)|\/status$| events$/],
    ['certificates.existingSecret=tls', / secrets$/],
    ['webhooks.injection.enabled=false', /^patch mutatingwebhookconfigurations$/],
    ['webhooks.validation.enabled=false', /^patch validatingwebhookconfigurations$/],
  ])('is less with %s', async (value, unneeded) => {
    const all = await grants('weft');
    expect(all.filter((each) => unneeded.test(each))).not.toEqual([]);
    expect(await grants('weft', value)).toEqual(all.filter((each) => !unneeded.test(each)));
  });

  it('is more than the Job before an uninstall may', async () => {
    const ofJob = await grants('weft-release-objects');
    expect(ofJob.filter((each) => / (secrets|pods|configmaps|.*configurations)$/.test(each))).toEqual([]);
    expect(ofJob).toContain('patch serviceentries');
    for (const value of ['status.enabled=false', 'uninstall.releaseObjects=false'])
      expect(await grants('weft-release-objects', value)).toEqual([]);
  });
});
