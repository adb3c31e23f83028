import { afterEach, expect, it } from 'vitest';
import { Cache } from '../cache/cache.ts';
import { ApiError } from '../client/api-error.ts';
import { Client } from '../client/client.ts';
import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import { describeApi } from '../testing/describe-api.ts';
import { eventually } from '../testing/eventually.ts';
import { type ConfigMap, configMapKind } from '../testing/kubernetes-kinds.ts';
import { selfSigned } from '../testing/self-signed.ts';
import { type AdmissionHandler, type AdmissionRequest, allowed, denied, patched } from './admission.ts';
import { CertificateValue } from './certificates.ts';
import { WebhookServer } from './server.ts';

interface WebhookConfiguration extends KubernetesObject {
  webhooks: object[];
}

const configurationKind = (kind: string): ResourceKind<WebhookConfiguration> => ({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  servedVersions: ['v1'],
  kind,
  plural: `${kind.toLowerCase()}s`,
  scope: 'Cluster',
});

describeApi('webhook server called by an API server', (env) => {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function configure(kind: string, name: string, handler: AdmissionHandler, policy: 'Fail' | 'Ignore') {
    const certificate = selfSigned(['127.0.0.1']);
    const server = new WebhookServer({ certificates: new CertificateValue(certificate), bind: { host: '127.0.0.1', port: 0 } });
    server.register('/hook', handler);
    const stop = new AbortController();
    const run = server.start(stop.signal);
    await server.waitForReady(stop.signal);
    ends.push(async () => {
      stop.abort();
      await run;
    });
    const client = new Client({ rest: env().rest, cache: new Cache() });
    const resource = configurationKind(kind);
    await client.create(resource, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind,
      metadata: { name, namespace: '' },
      webhooks: [
        {
          name: `${name}.example.com`,
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: policy,
          timeoutSeconds: 2,
          objectSelector: { matchLabels: { hook: name } },
          clientConfig: {
            url: `https://${server.address}/hook`,
            caBundle: Buffer.from(certificate.certificate).toString('base64'),
          },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE', 'UPDATE'] }],
        },
      ],
    });
    ends.push(() => client.delete(resource, name));
    const attempt = (map: string): Promise<ConfigMap | ApiError> =>
      client
        .create(configMapKind, {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: map, namespace: 'default', labels: { hook: name } },
          data: { from: 'test' },
        })
        .catch((error) => error);
    let tries = 0;
    /** Creates config maps until the API server has taken notice of the webhook: the first answer that shows it. */
    const create = async (isSeen: (answer: ConfigMap | ApiError) => boolean) => {
      let answer: ConfigMap | ApiError | undefined;
      await eventually(async () => {
        answer = await attempt(`${name}-${tries++}`);
        expect(isSeen(answer), String(answer)).toBe(true);
      });
      return answer!;
    };
    return { create };
  }

  it('changes what is created', async () => {
    const seen: AdmissionRequest[] = [];
    const { create } = await configure(
      'MutatingWebhookConfiguration',
      'mutating',
      (request) => {
        seen.push(request);
        return patched([{ op: 'add', path: '/data/by', value: 'hook' }]);
      },
      'Fail',
    );
    const created = await create((answer) => 'data' in answer && answer.data?.by === 'hook');
    expect(created).toMatchObject({ data: { from: 'test', by: 'hook' } });
    expect(seen[0]).toMatchObject({
      operation: 'CREATE',
      namespace: 'default',
      kind: { group: '', version: 'v1', kind: 'ConfigMap' },
      userInfo: { username: 'admin' },
      object: { data: { from: 'test' } },
    });
  });

  it('refuses with its message', async () => {
    const { create } = await configure('ValidatingWebhookConfiguration', 'denying', () => denied('not on a Friday'), 'Fail');
    const answer = await create((value) => value instanceof ApiError);
    expect(answer).toMatchObject({ status: 403, serverMessage: expect.stringContaining('denied the request: not on a Friday') });
  });

  it.each<[string, AdmissionHandler, string]>([
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
      'no idea',
    ],
    ['is late', (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(allowed()))), ''],
  ])('leaves it to the failurePolicy when the handler %s', async (what, handler, message) => {
    const name = `fail-${what.replace(' ', '-')}`;
    let calls = 0;
    const counted: AdmissionHandler = (request, context) => {
      calls++;
      return handler(request, context);
    };
    const failing = await configure('ValidatingWebhookConfiguration', name, counted, 'Fail');
    const answer = await failing.create((value) => value instanceof ApiError);
    expect(answer).toMatchObject({ status: 500, serverMessage: expect.stringContaining(message) });
    calls = 0;
    const ignoring = await configure('ValidatingWebhookConfiguration', `${name}-ignored`, counted, 'Ignore');
    const created = await ignoring.create((value) => calls > 0 && !(value instanceof ApiError));
    expect(created).toMatchObject({ data: { from: 'test' } });
  });
});
