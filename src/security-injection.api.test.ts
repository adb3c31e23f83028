import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { serviceEntryKind } from './api/index.ts';
import { typeUrls } from './envoy/resource.ts';
import { resourcePath } from './runtime/client/resource-path.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { makePod, proxyCredentials, runSecureOperator } from './testing/secure-operator.ts';
import { AdsClient } from './xds/testing/ads-client.ts';

describeApi(
  'an operator whose injection configuration changes',
  (env) => {
    it('believes tokens of the new audience and of the one before, and keeps the ConfigMap that it injects', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'injection-'));
      const path = join(folder, 'injection.yaml');
      await writeFile(path, '');
      const post = (to: string, body: object) => env().rest.request({ method: 'POST', path: to, body });
      await post('/api/v1/namespaces', { metadata: { name: 'weft-system' } });
      await post('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } });
      const spec = { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' };
      const body = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name: 'a' }, spec };
      await post(resourcePath(serviceEntryKind, 'shop'), body);
      const pod = await makePod(env().rest, { namespace: 'shop', name: 'web-1', serviceAccount: 'web', ip: '10.0.0.1' });
      const operator = await runSecureOperator(env().kubeConfig, { security: { injectionFile: { path, text: '' } } });
      const root = async () => {
        const at = '/api/v1/namespaces/shop/configmaps/istio-ca-root-cert';
        return (await env().rest.request<{ data: Record<string, string> }>({ path: at })).data['root-cert.pem']!;
      };
      await eventually(async () => expect(await root()).toContain('BEGIN CERTIFICATE'));

      await writeFile(path, 'xds: {tokenAudience: mesh, caConfigMap: mesh-ca}\n');
      await eventually(() =>
        expect(operator.lines.map(({ fields }) => fields.problem)).toContainEqual(
          expect.stringContaining('xds.caConfigMap: stays'),
        ),
      );
      for (const audience of ['istio-ca', 'mesh']) {
        const client = new AdsClient({
          ...{ address: await operator.xdsTls, variant: 'delta' },
          credentials: proxyCredentials(await root(), await pod.token(audience)),
          node: { id: 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local', metadata: { INSTANCE_IPS: '10.0.0.1' } },
        });
        client.subscribeAll(typeUrls.cluster);
        await eventually(() => expect(client.of(typeUrls.cluster).resources.has('outbound|80||a.example.com')).toBe(true));
        client.close();
      }
      await operator.stop();
      await rm(folder, { recursive: true });
    });
  },
  { crdPaths: ['crds'] },
);
