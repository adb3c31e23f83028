import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { meshKinds, serviceEntryKind } from './api/index.ts';
import { namesOf } from './installation-names.ts';
import { type PermissionRule, type Permissions, permissions, rbacManifests, releasePermissions } from './rbac.ts';
import { Cache } from './runtime/cache/cache.ts';
import { Client } from './runtime/client/client.ts';
import { resourcePath } from './runtime/client/resource-path.ts';
import { RestClient } from './runtime/client/rest-client.ts';
import { startFaultProxy } from './runtime/testenv/fault-proxy.ts';
import type { TestEnv } from './runtime/testenv/test-env.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { selfSigned } from './runtime/testing/self-signed.ts';
import { releaseObjects } from './status/release-objects.ts';
import { withdrawalFinalizer } from './status/withdrawal.ts';
import { runSecureOperator } from './testing/secure-operator.ts';

const spec = { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' };

describeApi(
  'roles without what an installation does not need',
  (env) => {
    /** An account that may do this, and nothing else. */
    const grantedTo = async (name: string, granted: Permissions) => {
      const account = await env().createServiceAccount('weft-system', name);
      for (const manifest of rbacManifests({ name, namespace: 'weft-system' }, granted)) await apply(env(), manifest);
      return account;
    };
    const makeEntry = async (name: string) => {
      const head = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry' };
      const body = { ...head, metadata: { name, finalizers: [withdrawalFinalizer] }, spec };
      await env().rest.request({ method: 'POST', path: resourcePath(serviceEntryKind, 'default'), body });
    };

    it('allow all that an operator does that writes no status, has certificates from elsewhere, and no webhooks', async () => {
      const needed = (rules: readonly PermissionRule[]) => rules.filter(({ onlyFor }) => onlyFor === undefined);
      const narrow = { cluster: needed(permissions.cluster), namespace: needed(permissions.namespace) };
      const proxy = await startFaultProxy(await grantedTo('narrow', narrow));
      const made = new Set<string>();
      const note = ({ verb, resource }: { verb: string; resource: string }) => {
        made.add(`${verb} ${resource}`);
        return false;
      };
      proxy.inject({ type: 'hang', match: note });
      const folder = await mkdtemp(join(tmpdir(), 'rbac-parts-'));
      const pair = selfSigned();
      const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
      await writeFile(files.certificate, pair.certificate);
      await writeFile(files.key, pair.key);
      await writeFile(files.ca, pair.certificate);
      const body = { metadata: { labels: { 'istio-injection': 'enabled' } } };
      const contentType = 'application/merge-patch+json';
      await env().rest.request({ method: 'PATCH', path: '/api/v1/namespaces/default', body, contentType });
      await makeEntry('stays');

      const operator = await runSecureOperator(proxy.kubeConfig, {
        issuer: { type: 'files', files, overlapMs: 1000 },
        operator: { writesStatus: false },
      });
      await operator.xdsTls;
      await eventually(() => expect([...made]).toContain('patch configmaps'));
      for (const check of ['caches', 'certificate', 'caBundle']) expect(await operator.readyz(check)).toMatch(/\bok\b/);
      expect([...made].filter((each) => /secrets|events|\/status|patch (?!configmaps)/.test(each))).toEqual([]);
      expect(JSON.stringify(operator.lines)).not.toMatch(/403|forbidden/i);
      await operator.stop();
      await proxy.stop();
      await rm(folder, { recursive: true });
    });

    it('allow all that release-objects does', async () => {
      await makeEntry('held');
      const rest = new RestClient({ kubeConfig: await grantedTo('release', releasePermissions(namesOf())) });
      const client = new Client({ rest, cache: new Cache(), fieldManager: 'weft' });
      const lease = { namespace: 'weft-system', name: namesOf().lease };
      const { signal } = new AbortController();
      // Once without a Lease, once with one.
      await env()
        .rest.request({ method: 'DELETE', path: `/apis/coordination.k8s.io/v1/namespaces/weft-system/leases/${lease.name}` })
        .catch(() => {});
      expect(await releaseObjects({ client, kinds: meshKinds, lease }, signal)).toBeGreaterThan(0);
      await makeEntry('held-again');
      expect(await releaseObjects({ client, kinds: meshKinds, lease }, signal)).toBe(1);
      rest.close();
    });
  },
  { crdPaths: ['crds'] },
);

async function apply(env: TestEnv, manifest: object): Promise<void> {
  const { kind, metadata } = manifest as { kind: string; metadata: { name: string; namespace?: string } };
  if (kind === 'ServiceAccount') return;
  const namespace = metadata.namespace ? `/namespaces/${metadata.namespace}` : '';
  const path = `/apis/rbac.authorization.k8s.io/v1${namespace}/${kind.toLowerCase()}s/${metadata.name}`;
  const query = { fieldManager: 'test', force: true };
  await env.rest.request({ method: 'PATCH', path, query, body: manifest, contentType: 'application/apply-patch+yaml' });
}
