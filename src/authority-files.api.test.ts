import { X509Certificate } from 'node:crypto';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { issueCa, issueServing, type KeyedCertificate } from './authority/certificate.ts';
import { readTold } from './authority/told-bundle.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { makeWebhookConfiguration, runSecureOperator, type SecureOperator } from './testing/secure-operator.ts';
import { shownAt } from './testing/shown-certificate.ts';

const configurationPath = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft';
const configMapPath = '/api/v1/namespaces/shop/configmaps/istio-ca-root-cert';
const overlapMs = 6_000;
/** How late a pod may hear of a CA here, in milliseconds. */
const lagMs = 1_000;
const dayMs = 86_400_000;

interface Configuration {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
}

/** What another keeps in a Secret: a certificate for the operator, and its CA. */
interface Material {
  readonly pair: KeyedCertificate;
  readonly ca: string;
}

async function issue(): Promise<Material> {
  const nowMs = Date.now();
  const ca = await issueCa({ nowMs, lifetimeMs: 10 * dayMs });
  return { pair: await issueServing(ca, { nowMs, lifetimeMs: dayMs, names: ['127.0.0.1'] }), ca: ca.certificate };
}

/** A folder as the kubelet mounts a Secret: all files change by one link. */
class MountedSecret {
  readonly folder: string;
  #version = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  async write({ pair, ca }: Material): Promise<void> {
    const version = await mkdtemp(join(this.folder, `..${this.#version++}-`));
    const texts = { 'tls.crt': pair.certificate, 'tls.key': pair.key, 'ca.crt': ca };
    for (const [name, text] of Object.entries(texts)) await writeFile(join(version, name), text);
    const isFirst = this.#version === 1;
    await symlink(version, join(this.folder, '..data_tmp'));
    await rename(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
    if (isFirst) for (const name of Object.keys(texts)) await symlink(join('..data', name), join(this.folder, name));
  }
}

const fingerprintOf = ({ pair }: Material) => new X509Certificate(pair.certificate).fingerprint256;

describeApi(
  'an operator whose certificates others keep in a Secret',
  (env) => {
    let root: string;
    let mounts: MountedSecret[];
    let replicas: SecureOperator[];
    let first: Material;
    let second: Material;

    const start = (index: number, webhookPort?: number) => {
      const file = (name: string) => join(mounts[index]!.folder, name);
      const files = { certificate: file('tls.crt'), key: file('tls.key'), ca: file('ca.crt') };
      return runSecureOperator(env().kubeConfig, {
        issuer: { type: 'files', files, overlapMs },
        ...(webhookPort && { security: { webhookBind: { host: '127.0.0.1', port: webhookPort } } }),
      });
    };
    const rootOf = async () =>
      (await env().rest.request<{ data: Record<string, string> }>({ path: configMapPath })).data['root-cert.pem']!;
    const bundleOf = async () => {
      const { webhooks } = await env().rest.request<Configuration>({ path: configurationPath });
      return Buffer.from(webhooks[0]!.clientConfig.caBundle ?? '', 'base64').toString('utf8');
    };
    const makePod = () =>
      env().rest.request<{ spec: { initContainers?: unknown[] } }>({
        ...{ method: 'POST', path: '/api/v1/namespaces/shop/pods', query: { dryRun: 'All' } },
        body: {
          metadata: { generateName: 'web-' },
          spec: { serviceAccountName: 'default', containers: [{ name: 'web', image: 'web' }] },
        },
      });

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'authority-files-'));
      mounts = await Promise.all([0, 1].map(async (index) => new MountedSecret(await mkdtemp(join(root, `${index}-`)))));
      [first, second] = [await issue(), await issue()];
      for (const mount of mounts) await mount.write(first);
      const post = (path: string, body: object) => env().rest.request({ method: 'POST', path, body });
      await post('/api/v1/namespaces', { metadata: { name: 'weft-system' } });
      await post('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } });
      await post('/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'default' } });
      replicas = [await start(0), await start(1)];
      await makeWebhookConfiguration(env().rest, 'Mutating', [
        ...replicas.map(({ webhookPort }, index) => ({
          name: `replica-${index}.inject.weft.dev`,
          url: `https://127.0.0.1:${webhookPort}/inject`,
          rule: { resources: ['pods'], operations: ['CREATE'] },
          namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } },
        })),
      ]);
      await eventually(async () => expect([await bundleOf(), await rootOf()]).toEqual([first.ca, first.ca]));
      await eventually(async () => expect((await makePod()).spec.initContainers).toHaveLength(2));
    });
    afterAll(async () => {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await rm(root, { recursive: true });
    });

    it('takes another CA while pods are made and proxies come, though each hears of it late and a replica begins in the middle', async () => {
      const servers = async () => [
        ...(await Promise.all(replicas.map(({ xdsTls }) => xdsTls))),
        ...replicas.map(({ webhookPort }) => `127.0.0.1:${webhookPort}`),
      ];
      /** The bundles of pods, and when they came to be. */
      const heard: { readonly atMs: number; readonly bundle: string }[] = [];
      const failures: string[] = [];
      const shown = new Set<string>();
      let restarting = false;
      let clients = 0;
      let isOver = false;
      const load = (async () => {
        while (!isOver) {
          const bundle = await rootOf();
          if (heard.at(-1)?.bundle !== bundle) heard.push({ atMs: performance.now(), bundle });
          const late = heard.findLast(({ atMs }) => atMs <= performance.now() - lagMs) ?? heard[0]!;
          if (!restarting) {
            const asked = await servers();
            const answers = await Promise.allSettled([...asked.map((server) => shownAt(server, late.bundle)), makePod()]);
            if (restarting) continue;
            for (const answer of answers) {
              if (answer.status === 'rejected') failures.push(String(answer.reason));
              else if (typeof answer.value === 'string') shown.add(answer.value);
            }
            clients += asked.length;
          }
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();

      // One kubelet is quicker than the other.
      await mounts[0]!.write(second);
      await new Promise((resolve) => setTimeout(resolve, lagMs));
      await mounts[1]!.write(second);
      await eventually(async () => {
        for (const bundle of [await bundleOf(), await rootOf()])
          expect([bundle.includes(first.ca), bundle.includes(second.ca)]).toEqual([true, true]);
      });

      // The one that begins anew knows the former CA by caBundle alone.
      await new Promise((resolve) => setTimeout(resolve, 1.5 * lagMs));
      restarting = true;
      await replicas[1]!.stop();
      replicas[1] = await start(1, replicas[1]!.webhookPort);
      await replicas[1].xdsTls;
      await eventually(async () => expect(await replicas[1]!.readyz('webhooks')).toMatch(/\bok\b/));
      await eventually(makePod);
      expect(await bundleOf()).toContain(first.ca);
      restarting = false;

      await eventually(async () => {
        const now = await Promise.all((await servers()).map(async (server) => shownAt(server, await rootOf())));
        expect(new Set(now)).toEqual(new Set([fingerprintOf(second)]));
      });
      await eventually(async () => expect([await bundleOf(), await rootOf()]).toEqual([second.ca, second.ca]), 20_000);
      await new Promise((resolve) => setTimeout(resolve, lagMs));
      isOver = true;
      await load;
      expect(failures).toEqual([]);
      expect(shown).toEqual(new Set([fingerprintOf(first), fingerprintOf(second)]));
      expect(clients).toBeGreaterThan(100);
    });
  },
  { crdPaths: ['crds'] },
);

describeApi(
  'an installation whose certificates come to be issued by another',
  (env) => {
    let root: string;
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'authority-files-'));
      const post = (path: string, body: object) => env().rest.request({ method: 'POST', path, body });
      await post('/api/v1/namespaces', { metadata: { name: 'weft-system' } });
      await post('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } });
      await makeWebhookConfiguration(env().rest, 'Mutating', [
        { name: 'inject.weft.dev', url: 'https://127.0.0.1:1/inject', rule: { resources: ['nothing'] } },
      ]);
    });
    afterAll(() => rm(root, { recursive: true }));

    /** What API servers and pods are told. */
    const told = async () => {
      const { webhooks } = await env().rest.request<Configuration>({ path: configurationPath });
      const { data } = await env().rest.request<{ data: Record<string, string> }>({ path: configMapPath });
      return [Buffer.from(webhooks[0]!.clientConfig.caBundle ?? '', 'base64').toString('utf8'), data['root-cert.pem']!];
    };
    const runWithFiles = async ({ pair, ca }: Material) => {
      const folder = await mkdtemp(join(root, 'files-'));
      await new MountedSecret(folder).write({ pair, ca });
      const file = (name: string) => join(folder, name);
      const files = { certificate: file('tls.crt'), key: file('tls.key'), ca: file('ca.crt') };
      return runSecureOperator(env().kubeConfig, { issuer: { type: 'files', files, overlapMs: 60_000 } });
    };
    /** As a rolling update does: the old replica leads and serves until the new one is ready. */
    const replace = async (old: SecureOperator, make: () => Promise<SecureOperator>) => {
      const [before] = await told();
      const next = await make();
      for (const check of ['certificate', 'caBundle', 'webhooks', 'xds'])
        await eventually(async () => expect(await next.readyz(check)).toMatch(/\bok\b/), 30_000);
      const [ofOld, ofNext] = [readTold(before!)[0]!.certificate, await ownCaOf(next)];
      // The old one leads, and tells pods of both, too.
      await eventually(async () => {
        for (const bundle of await told()) expect([bundle.includes(ofOld), bundle.includes(ofNext)]).toEqual([true, true]);
      });
      await old.stop();
      // The new one leads; the former CA has its time.
      await eventually(async () => {
        for (const bundle of await told()) {
          const [first, ...former] = readTold(bundle);
          expect(first).toEqual({ certificate: ofNext });
          expect(former).toContainEqual({ certificate: ofOld, untilMs: expect.any(Number) });
        }
      });
      return next;
    };
    /** The CA of those that pods are told of that vouches for what is shown. */
    const ownCaOf = async (operator: SecureOperator) => {
      const address = await operator.xdsTls;
      for (const { certificate } of readTold((await told())[0]!))
        if (await shownAt(address, certificate).catch(() => undefined)) return certificate;
      throw new Error('nothing vouches for what is shown');
    };

    it('gets a ready replica of the new kind while the old kind leads, there, further and back', async () => {
      const own = await runSecureOperator(env().kubeConfig);
      await eventually(async () => expect((await told())[1]).toContain('BEGIN CERTIFICATE'));
      const given = await replace(own, async () => runWithFiles(await issue()));
      const others = await replace(given, async () => runWithFiles(await issue()));
      await env().rest.request({ method: 'DELETE', path: '/api/v1/namespaces/weft-system/secrets/weft-authority' });
      const back = await replace(others, () => runSecureOperator(env().kubeConfig));
      await back.stop();
    });
  },
  { crdPaths: ['crds'] },
);
