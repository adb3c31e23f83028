import { request as httpsRequest } from 'node:https';
import { typeUrls } from '../envoy/resource.ts';
import { namesOf } from '../installation-names.ts';
import type { RestClient } from '../runtime/client/rest-client.ts';
import { eventually } from '../runtime/testing/eventually.ts';
import { defaultInjectionConfig } from '../webhooks/injector/config/injection-config.ts';
import { AdsClient } from '../xds/testing/ads-client.ts';
import { makePod, makeWebhookConfiguration, proxyCredentials, type SecureOperator, type TestPod } from './secure-operator.ts';

const merge = 'application/merge-patch+json';
const secretPath = `/api/v1/namespaces/weft-system/secrets/${namesOf().authoritySecret}`;
const configMapPath = `/api/v1/namespaces/default/configmaps/${defaultInjectionConfig.xds.caConfigMap}`;

/** What gives an operator's security something to do, in namespace `default`, over and over again. */
export interface SecurityWork {
  /** Before an operator starts: there is no Secret, no CA for pods, no `caBundle`. */
  prepare(): Promise<void>;
  /** While it runs: the certificate is to be replaced, a proxy connects, a pod is reviewed. Each as soon as it can be. */
  poke(operator: SecureOperator): () => void;
}

/** Makes what the work needs, once. */
export async function makeSecurityWork(rest: RestClient): Promise<SecurityWork> {
  const pod = await makePod(rest, { namespace: 'default', name: 'proxy-1', serviceAccount: 'proxy', ip: '10.0.0.1' });
  for (const kind of ['Mutating', 'Validating'] as const) {
    const rule = { resources: ['nothing'] };
    await makeWebhookConfiguration(rest, kind, [{ name: 'work.weft.dev', url: 'https://127.0.0.1:1/', rule }]);
  }
  const labels = { 'istio-injection': 'enabled' };
  await rest.request({ method: 'PATCH', path: '/api/v1/namespaces/default', body: { metadata: { labels } }, contentType: merge });
  const remove = (path: string) => rest.request({ method: 'DELETE', path }).catch(() => {});
  return {
    async prepare() {
      await remove(secretPath);
      await remove(configMapPath);
      for (const kind of ['mutating', 'validating']) {
        const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations/${namesOf().webhookConfiguration}`;
        const operations = [{ op: 'replace', path: '/webhooks/0/clientConfig', value: { url: 'https://127.0.0.1:1/' } }];
        await rest.request({ method: 'PATCH', path, body: operations, contentType: 'application/json-patch+json' });
      }
    },
    poke(operator) {
      const ends: (() => void)[] = [];
      const work = async () => {
        let data: Record<string, string> = {};
        await eventually(async () => {
          ({ data } = await rest.request<{ data: Record<string, string> }>({ path: secretPath }));
        }, 60_000);
        const body = { metadata: { annotations: { 'weft.dev/rotate': 'certificate' } } };
        await rest.request({ method: 'PATCH', path: secretPath, body, contentType: merge });
        const ca = Buffer.from(data['ca.crt']!, 'base64').toString('utf8');
        const client = connectAs(pod, await operator.xdsTls, ca, await pod.token());
        ends.push(() => client.close());
        await review(operator.webhookPort, ca);
      };
      // Some of it cannot be done while a permission is missing.
      work().catch(() => {});
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

function connectAs({ namespace, name, ip }: TestPod, address: string, ca: string, token: string): AdsClient {
  const client = new AdsClient({
    ...{ address, variant: 'delta', credentials: proxyCredentials(ca, token) },
    node: { id: `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`, metadata: { INSTANCE_IPS: ip } },
  });
  client.subscribeAll(typeUrls.cluster);
  return client;
}

/** Asks about a pod that wants no sidecar: that is only believed after another look at its namespace. */
function review(port: number, ca: string): Promise<void> {
  const object = { metadata: { name: 'reviewed', labels: { 'sidecar.istio.io/inject': 'false' } }, spec: { containers: [] } };
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const request = { uid: '1', operation: 'CREATE', namespace: 'default', resource, object };
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: '/inject',
      method: 'POST',
      ca,
      headers: { 'content-type': 'application/json' },
    };
    const outgoing = httpsRequest({ ...options, agent: false }, (response) => response.resume().on('end', resolve));
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }));
  });
}
