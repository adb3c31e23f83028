import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import { chartFolder, findHelm, runHelm } from './helm.ts';

const helm = findHelm();
const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sidecars.networking.istio.io';

interface Crd {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>>; readonly uid: string };
  readonly spec: { readonly versions: readonly { readonly additionalPrinterColumns?: readonly { readonly name: string }[] }[] };
}

/** What docs/guides/install.md has people do where Istio is, and with revisions side by side, on CRDs that are Istio's at first. */
describe.skipIf(!helm)('releases that take over from each other', () => {
  describeApi(
    'on a real API server',
    (env) => {
      const run = async (...args: string[]) => {
        const where = ['--namespace', 'weft-system', '--kubeconfig', env().kubeConfigFile];
        const { code, stderr } = await runHelm(helm!, [...args, ...where]);
        return { code, stderr };
      };
      const done = { code: 0, stderr: '' };
      const crd = async () => {
        const { metadata, spec } = await env().rest.request<Crd>({ path: crdPath });
        const columns = spec.versions.map(({ additionalPrinterColumns = [] }) =>
          additionalPrinterColumns.map(({ name }) => name),
        );
        return { uid: metadata.uid, release: metadata.annotations?.['meta.helm.sh/release-name'], columns: columns[0]! };
      };
      const configurations = async (kind: string) => {
        const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations`;
        const { items } = await env().rest.request<{ items: { metadata: { name: string } }[] }>({ path });
        return items.map(({ metadata }) => metadata.name);
      };
      let uid: string;
      beforeAll(async () => {
        await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'weft-system' } } });
        uid = (await crd()).uid;
      });

      it('Istio’s CRDs stay Istio’s until they are asked for', async () => {
        const { code, stderr } = await run('install', 'weft', chartFolder);
        expect(code).toBe(1);
        expect(stderr).toContain('cannot be imported into the current release');
        expect(await run('install', 'weft', chartFolder, '--set', 'crds.enabled=false')).toEqual(done);
        expect(await crd()).toMatchObject({ release: undefined, columns: expect.not.arrayContaining(['Ready']) });
        // Without any value helm would go on with those of before.
        expect(await run('upgrade', 'weft', chartFolder, '--set', 'crds.enabled=true', '--take-ownership')).toEqual(done);
        expect(await crd()).toMatchObject({ uid, release: 'weft', columns: expect.arrayContaining(['Ready', 'Proxies']) });
      });

      it('status, validation and CRDs go to another revision, and stay when the first one goes', async () => {
        const next = 'crds.enabled=false,status.enabled=false,webhooks.validation.enabled=false';
        expect(await run('install', 'weft-next', chartFolder, '--set', `revision=next,${next}`)).toEqual(done);
        expect(
          await run('upgrade', 'weft', chartFolder, '--set', 'status.enabled=false,webhooks.validation.enabled=false'),
        ).toEqual(done);
        expect(await configurations('validating')).toEqual([]);
        expect(await run('upgrade', 'weft-next', chartFolder, '--set', 'revision=next', '--take-ownership')).toEqual(done);
        expect(await configurations('validating')).toEqual(['weft-next']);
        expect(await crd()).toMatchObject({ uid, release: 'weft-next' });
        // Without status no Job is run before it: there is no kubelet here that could.
        expect(await run('uninstall', 'weft')).toMatchObject({ code: 0 });
        expect(await crd()).toMatchObject({ uid, release: 'weft-next' });
        expect(await configurations('mutating')).toEqual(['weft-next']);
      });
    },
    { crdPaths: [join(import.meta.dirname, '../../src/status/testdata/istio-crds.yaml')] },
  );
});
