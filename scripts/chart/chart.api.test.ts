import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import { findHelm, runHelm, templateArgs } from './helm.ts';
import { type Manifest, parseManifests, rendersFolder } from './renders.ts';

const helm = findHelm();

type Workload = Manifest & { readonly spec: { readonly template: { readonly metadata: object; readonly spec: object } } };

describe.skipIf(!helm)('what the chart renders', () => {
  describeApi(
    'to a real API server',
    (env) => {
      const plurals = new Map<string, string>();
      beforeAll(async () => {
        const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
        const namespace = { metadata: { name: 'weft-system', labels } };
        await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: namespace });
      });

      const pluralOf = async ({ apiVersion, kind }: Manifest): Promise<string> => {
        const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
        if (!plurals.has(`${root} ${kind}`)) {
          const { resources } = await env().rest.request<{ resources: { name: string; kind: string }[] }>({ path: root });
          for (const each of resources) if (!each.name.includes('/')) plurals.set(`${root} ${each.kind}`, each.name);
        }
        return `${root} ${plurals.get(`${root} ${kind}`)}`;
      };
      /** Applies it without effect, unknown fields refused. */
      const tryOn = async (manifest: Manifest): Promise<void> => {
        const [root, plural] = (await pluralOf(manifest)).split(' ');
        const { name, namespace } = manifest.metadata;
        const query = { dryRun: 'All', fieldManager: 'helm', fieldValidation: 'Strict' };
        const path = `${root}${namespace ? `/namespaces/${namespace}` : ''}/${plural}/${name}`;
        await env().rest.request({ method: 'PATCH', path, query, body: manifest, contentType: 'application/apply-patch+yaml' });
      };

      it.each(readdirSync(rendersFolder).filter((name) => name.endsWith('.values.yaml')))('is taken: %s', async (file) => {
        const { stdout } = await runHelm(helm!, templateArgs('--values', join(rendersFolder, file)));
        const manifests = parseManifests(stdout);
        expect(manifests.length).toBeGreaterThan(8);
        for (const manifest of manifests) await tryOn(manifest);
        // Their pods are judged when they are made: under Kubernetes' strictest pod security standard. `helm test`'s has been, above.
        const workloads = manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'Job') as Workload[];
        // Who writes no status puts on no finalizers.
        const hasJob = file !== 'revision.values.yaml';
        expect(workloads.map(({ kind }) => kind).toSorted()).toEqual(hasJob ? ['Deployment', 'Job'] : ['Deployment']);
        expect(manifests.map(({ kind }) => kind)).toContain('Pod');
        for (const { spec } of workloads)
          await tryOn({ apiVersion: 'v1', kind: 'Pod', ...spec.template, metadata: { name: 'weft', namespace: 'weft-system' } });
      });
    },
    { crdPaths: [join(rendersFolder, 'service-monitor.crd.yaml')] },
  );
});
