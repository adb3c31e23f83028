import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from '../../src/api/index.ts';
import { Cache } from '../../src/runtime/cache/cache.ts';
import { Client } from '../../src/runtime/client/client.ts';
import { resourcePath } from '../../src/runtime/client/resource-path.ts';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import { eventually } from '../../src/runtime/testing/eventually.ts';
import { releaseObjects } from '../../src/status/release-objects.ts';
import { withdrawalFinalizer } from '../../src/status/withdrawal.ts';
import { runSecureOperator, type SecureOperator } from '../../src/testing/secure-operator.ts';
import { chartFolder, findHelm, runHelm, templateArgs } from './helm.ts';
import { parseManifests } from './renders.ts';

const helm = findHelm();
const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft-v2';

interface Configuration {
  readonly webhooks: readonly {
    readonly name: string;
    readonly clientConfig: { readonly caBundle?: string };
    readonly namespaceSelector: { readonly matchExpressions: readonly object[] };
  }[];
}

/** The release of a revision, and the same when it is the default one, too. */
const plain = ['--set', 'revision=v2,crds.enabled=false'];
const tagged = [...plain, '--set', 'revisionTags={default}'];
const everything = [...tagged, '--set', 'injection.enableNamespacesByDefault=true'];

/** How values go to and fro, and how many entries then select namespaces. */
const steps: readonly (readonly [string, readonly string[], number])[] = [
  ['as installed', plain, 2],
  ['the default revision', tagged, 4],
  ['by default', everything, 5],
  ['not by default any more', tagged, 4],
  ['not the default revision any more', plain, 2],
  ['everything at once', everything, 5],
  ['nothing at once', plain, 2],
];

const selecting = ({ webhooks }: Configuration) =>
  webhooks.filter(
    ({ namespaceSelector: { matchExpressions } }) =>
      !JSON.stringify(matchExpressions).includes('"key":"kubernetes.io/metadata.name","operator":"DoesNotExist"'),
  ).length;

describe.skipIf(!helm)('the webhook configuration of an operator that runs', () => {
  describeApi(
    'on a real API server',
    (env) => {
      let operator: SecureOperator;
      beforeAll(async () => {
        await env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'weft-system' } } });
        operator = await runSecureOperator(env().kubeConfig, { webhookConfiguration: 'weft-v2' });
        await operator.xdsTls;
      });
      afterAll(() => operator?.stop());

      const read = () => env().rest.request<Configuration>({ path });
      /** All entries are there, and Weft has given each its caBundle. */
      const isComplete = (count: number) =>
        eventually(async () => {
          const configuration = await read();
          const bundles = new Set(configuration.webhooks.map(({ clientConfig }) => clientConfig.caBundle));
          expect([configuration.webhooks.length, selecting(configuration), bundles.size, bundles.has(undefined)]).toEqual([
            ...[5, count, 1, false],
          ]);
        });

      const render = async (values: readonly string[]) => {
        const { stdout } = await runHelm(helm!, templateArgs(...values));
        return parseManifests(stdout).find(({ kind }) => kind === 'MutatingWebhookConfiguration')!;
      };

      it('takes entries on and off by server-side apply, without force and without drift', async () => {
        for (const [what, values, count] of steps) {
          const body = await render(values);
          const apply = (query: Record<string, string> = {}) =>
            env().rest.request<Configuration>({
              ...{ method: 'PATCH', path, query: { fieldManager: 'gitops', ...query }, body },
              contentType: 'application/apply-patch+yaml',
            });
          await expect(apply(), what).resolves.toBeDefined();
          await isComplete(count);
          const { webhooks } = await read();
          expect((await apply({ dryRun: 'All' })).webhooks, what).toEqual(webhooks);
        }
        await env().rest.request({ method: 'DELETE', path });
      });

      it('takes them on and off by helm upgrade', async () => {
        const upgrade = (values: readonly string[]) =>
          runHelm(helm!, [
            ...['upgrade', '--install', 'weft', chartFolder, '--namespace', 'weft-system', '--kubeconfig', env().kubeConfigFile],
            ...values,
          ]);
        for (const [what, values, count] of [steps[0]!, ...steps.slice(-2), steps[2]!]) {
          const { code, stdout } = await upgrade(values);
          expect(code, what).toBe(0);
          // The notes are for whoever has just installed it.
          expect(stdout).toMatch(/serves revision v2 from namespace weft-system.*kubectl label namespace NAME istio.io\/rev=v2/s);
          expect(stdout).toMatch(/weft\/operator:\S+ is not published.*weft\/init:\S+ is not published/s);
          await isComplete(count);
        }
      });

      it('lets finalizers come and go while no replica answers, and nothing else', async () => {
        await operator.stop();
        const post = (to: string, body: object) => env().rest.request({ method: 'POST', path: to, body });
        const shop = resourcePath(serviceEntryKind, 'shop');
        const spec = { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' };
        const head = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry' };
        const metadata = { name: 'a', finalizers: [withdrawalFinalizer], labels: { tier: 'one' } };
        await post('/api/v1/namespaces', { metadata: { name: 'shop' } });
        const validating = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
        await env()
          .rest.request({ method: 'DELETE', path: `${validating}/weft-v2` })
          .catch(() => {});
        await eventually(() => post(shop, { ...head, metadata, spec }));
        const { stdout } = await runHelm(helm!, templateArgs(...plain));
        const configuration = parseManifests(stdout).find(({ kind }) => kind === 'ValidatingWebhookConfiguration')!;
        await post(validating, configuration);

        // Its Service is not there.
        const notAsked = 'failed calling webhook "validation.weft.dev"';
        const patch = (body: object) =>
          env().rest.request({
            ...{ method: 'PATCH', path: `${shop}/a`, body, query: { dryRun: 'All' } },
            contentType: 'application/merge-patch+json',
          });
        await eventually(() => expect(patch({ spec: { resolution: 'NONE' } })).rejects.toThrow(notAsked));
        await expect(post(shop, { ...head, metadata: { name: 'b' }, spec })).rejects.toThrow(notAsked);
        await expect(patch({ metadata: { finalizers: ['example.com/other', withdrawalFinalizer] } })).resolves.toBeDefined();

        const client = new Client({ rest: env().rest, cache: new Cache(), fieldManager: 'weft' });
        const lease = { namespace: 'weft-system', name: 'weft-gone-leader' };
        const { signal } = new AbortController();
        expect(await releaseObjects({ client, kinds: meshKinds, lease }, signal)).toBe(1);
        const released = await env().rest.request<{ metadata: object }>({ path: `${shop}/a` });
        expect(released.metadata).not.toHaveProperty('finalizers');
      });
    },
    { crdPaths: [join(import.meta.dirname, '../../crds')] },
  );
});
