import { X509Certificate } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { envoyFilterKind, serviceEntryKind } from './api/index.ts';
import { caBundleFieldManager } from './authority/ca-bundle.ts';
import { typeUrls } from './envoy/resource.ts';
import { ApiError } from './runtime/client/api-error.ts';
import { resourcePath } from './runtime/client/resource-path.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import {
  makePod,
  makeWebhookConfiguration,
  proxyCredentials,
  requestToken,
  runSecureOperator,
  type SecureOperator,
  type TestPod,
} from './testing/secure-operator.ts';
import { shownAt } from './testing/shown-certificate.ts';
import { injectPod } from './webhooks/injector/inject-pod.ts';
import { AdsClient } from './xds/testing/ads-client.ts';

const secretPath = '/api/v1/namespaces/weft-system/secrets/weft-authority';
const configMapPath = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps/istio-ca-root-cert`;
const mutatingPath = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft';
const validatingPath = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/weft';
const merge = 'application/merge-patch+json';

interface Configuration {
  readonly metadata: { readonly managedFields: readonly { manager: string; fieldsV1: object }[] };
  readonly webhooks: readonly { name: string; clientConfig: { url?: string; caBundle?: string }; timeoutSeconds?: number }[];
}

/** A token whose claims have been changed, and its signature with them is void. */
function withClaims(token: string, changes: object): string {
  const [header, claims, signature] = token.split('.');
  const changed = { ...JSON.parse(Buffer.from(claims!, 'base64url').toString('utf8')), ...changes };
  return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
}

describeApi(
  'an operator with its own authority',
  (env) => {
    let replicas: SecureOperator[];
    const clients: AdsClient[] = [];
    const nativeByVersion = new Set<boolean | undefined>();
    const get = <T>(path: string) => env().rest.request<T>({ path });
    const patch = (path: string, body: object) => env().rest.request({ method: 'PATCH', path, body, contentType: merge });
    const rootOf = async (namespace: string) =>
      (await get<{ data: Record<string, string> }>(configMapPath(namespace))).data['root-cert.pem'];
    const certificatesIn = (bundle: string | undefined) => bundle?.match(/BEGIN CERTIFICATE/g)?.length;

    const servers = async () => [
      ...(await Promise.all(replicas.map(({ xdsTls }) => xdsTls))),
      ...replicas.map(({ webhookPort }) => `127.0.0.1:${webhookPort}`),
    ];
    const shownByAll = async (ca: string) => new Set(await Promise.all((await servers()).map((server) => shownAt(server, ca))));

    beforeAll(async () => {
      const make = (name: string, labels: Record<string, string> = {}) =>
        env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name, labels } } });
      await make('weft-system');
      await make('shop', { 'istio-injection': 'enabled' });
      await make('bank', { 'istio-injection': 'enabled' });
      await make('plain');
      await make('istio-system');
      const spec = { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' };
      const body = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name: 'a' }, spec };
      await env().rest.request({ method: 'POST', path: resourcePath(serviceEntryKind, 'shop'), body });
      const inject: typeof injectPod = (request) => {
        nativeByVersion.add(request.config.nativeSidecars);
        return injectPod(request);
      };
      const start = () => runSecureOperator(env().kubeConfig, { times: { caOverlapMs: 3_000 }, security: { inject } });
      replicas = await Promise.all([start(), start()]);
      await Promise.all(replicas.map(({ xdsTls }) => xdsTls));
    });
    afterEach(() => {
      for (const client of clients.splice(0)) client.close();
    });
    afterAll(async () => {
      await Promise.all(replicas.map((replica) => replica.stop()));
    });

    it('makes one Secret, shows its certificate on every replica, and tells the CA to namespaces that are injected', async () => {
      await eventually(async () => expect(certificatesIn(await rootOf('shop'))).toBe(1));
      const ca = (await rootOf('bank'))!;
      expect([...(await shownByAll(ca))]).toHaveLength(1);
      const { data } = await get<{ data: Record<string, string> }>(secretPath);
      expect(Object.keys(data).toSorted()).toEqual(['ca.crt', 'ca.key', 'tls.crt', 'tls.key']);
      const serving = new X509Certificate(Buffer.from(data['tls.crt']!, 'base64'));
      expect((await shownByAll(ca)).has(serving.fingerprint256)).toBe(true);
      expect(JSON.stringify(replicas.flatMap(({ lines }) => lines))).not.toContain('PRIVATE KEY');
      for (const namespace of ['plain', 'default', 'kube-system']) await expect(rootOf(namespace)).rejects.toThrow('404');
      for (const { readyz } of replicas) expect(await readyz('certificate')).toContain('ok');
    });

    it('writes the CA again where it was deleted or changed, and where a pod asks for a sidecar', async () => {
      const ca = await rootOf('shop');
      await env().rest.request({ method: 'DELETE', path: configMapPath('shop') });
      await eventually(async () => expect(await rootOf('shop')).toBe(ca));
      await patch(configMapPath('shop'), { data: { 'root-cert.pem': 'other', more: 'kept' } });
      await eventually(async () => expect(await rootOf('shop')).toBe(ca));
      expect((await get<{ data: object }>(configMapPath('shop'))).data).toMatchObject({ more: 'kept' });
      await makePod(env().rest, {
        ...{ namespace: 'plain', name: 'alone', serviceAccount: 'alone', ip: '10.0.9.9' },
        labels: { 'sidecar.istio.io/inject': 'true' },
      });
      await eventually(async () => expect(await rootOf('plain')).toBe(ca));
    });

    describe('webhooks', () => {
      const labelled = { matchExpressions: [{ key: 'istio-injection', operator: 'In', values: ['enabled'] }] };
      const bundles = async (path: string) =>
        (await get<Configuration>(path)).webhooks.map(({ clientConfig }) =>
          Buffer.from(clientConfig.caBundle ?? '', 'base64').toString('utf8'),
        );

      beforeAll(async () => {
        const url = `https://127.0.0.1:${replicas[0]!.webhookPort}`;
        const pods = { resources: ['pods'], operations: ['CREATE'] };
        await makeWebhookConfiguration(env().rest, 'Mutating', [
          {
            name: 'namespace.inject.weft.dev',
            url: `${url}/inject/cluster/one/net/two`,
            rule: pods,
            namespaceSelector: labelled,
          },
          { name: 'none.inject.weft.dev', url: `${url}/inject`, rule: pods, namespaceSelector: { matchLabels: { no: 'such' } } },
        ]);
        const kinds = { apiGroups: ['networking.istio.io'], resources: ['*'] };
        await makeWebhookConfiguration(env().rest, 'Validating', [
          { name: 'validate.weft.dev', url: `${url}/validate`, rule: kinds },
        ]);
        await eventually(() => rootOf('shop'));
        const ca = await rootOf('shop');
        for (const path of [mutatingPath, validatingPath])
          await eventually(async () => expect(new Set(await bundles(path))).toEqual(new Set([ca])));
        // The API server has configurations from its own watch.
        await env().rest.request({
          method: 'POST',
          path: '/api/v1/namespaces/shop/serviceaccounts',
          body: { metadata: { name: 'default' } },
        });
        await eventually(async () => expect((await createPod('probe', bad)).reason).toBe('Forbidden'));
      });

      const bad = { 'sidecar.istio.io/interceptionMode': 'SIDEWAYS' };
      const createPod = async (generateName: string, annotations: Record<string, string> = {}) => {
        const body = {
          metadata: { generateName, annotations },
          spec: { serviceAccountName: 'default', containers: [{ name: 'main', image: 'main' }] },
        };
        return env()
          .rest.request<{ spec: { initContainers?: { name: string }[] } }>({
            method: 'POST',
            path: '/api/v1/namespaces/shop/pods',
            body,
          })
          .then(
            (pod) => ({ sidecars: pod.spec.initContainers?.map(({ name }) => name), reason: '', message: '' }),
            (error: ApiError) => ({ sidecars: undefined, reason: error.reason, message: error.message }),
          );
      };

      it('inject pods on the way into the API server, and refuse a pod by name', async () => {
        expect(await createPod('web-')).toEqual({ sidecars: ['istio-init', 'istio-proxy'], reason: '', message: '' });
        // Nobody has said so but the API server, by its version.
        expect([...nativeByVersion]).toEqual([true]);
        expect(await createPod('bad-', bad)).toMatchObject({
          reason: 'Forbidden',
          message: expect.stringMatching(
            /pod shop\/bad-\* cannot be injected: .*"SIDEWAYS" for annotation .*interceptionMode: expected one of REDIRECT, TPROXY, NONE$/,
          ),
        });
      });

      it('refuse objects with errors, and warn of surprises', async () => {
        const path = resourcePath(serviceEntryKind, 'shop');
        const object = (spec: object) => ({
          ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry' },
          ...{ metadata: { generateName: 'checked-' }, spec },
        });
        const bad = {
          ...{ hosts: ['b.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] },
          ...{ resolution: 'STATIC', endpoints: [{ address: 'not-an-address.example.com' }] },
        };
        const refusal = await env()
          .rest.request({ method: 'POST', path, body: object(bad) })
          .catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(ApiError);
        expect((refusal as ApiError).message).toContain('spec.endpoints[0].address: ');
        const good = { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' };
        expect(await warningsOf(path, object(good))).toEqual([
          expect.stringContaining('ServiceEntry shop/a claims a.example.com too'),
        ]);
      });

      it('keep caBundle and touch nothing else', async () => {
        const ca = await rootOf('shop');
        const { metadata, webhooks } = await get<Configuration>(mutatingPath);
        const own = metadata.managedFields.filter(({ manager }) => manager === caBundleFieldManager);
        const field = { '.': {}, 'f:clientConfig': { 'f:caBundle': {} }, 'f:name': {} };
        expect(own.map(({ fieldsV1 }) => fieldsV1)).toEqual([
          { 'f:webhooks': Object.fromEntries(webhooks.map(({ name }) => [`k:${JSON.stringify({ name })}`, field])) },
        ]);
        for (const caBundle of [undefined, Buffer.from(`${ca}${ca}`).toString('base64')]) {
          const changed = webhooks.map((webhook) => ({
            ...{ ...webhook, timeoutSeconds: 7 },
            clientConfig: { url: webhook.clientConfig.url, ...(caBundle && { caBundle }) },
          }));
          await patch(mutatingPath, { webhooks: changed });
          await eventually(async () => expect(new Set(await bundles(mutatingPath))).toEqual(new Set([ca])));
        }
        expect((await get<Configuration>(mutatingPath)).webhooks.map(({ timeoutSeconds }) => timeoutSeconds)).toEqual([7, 7]);
      });

      const warningsOf = async (path: string, body: object): Promise<string[]> => {
        const options = {};
        await env().kubeConfig.applyToHTTPSOptions(options);
        return new Promise((resolve, reject) => {
          const headers = { 'content-type': 'application/json' };
          const request = httpsRequest(`${env().url}${path}?dryRun=All`, { ...options, method: 'POST', headers }, (response) => {
            response.resume();
            const { warning = [] } = response.headers as { warning?: string | string[] };
            resolve([warning].flat());
          });
          request.on('error', reject);
          request.end(JSON.stringify(body));
        });
      };
    });

    describe('secure xDS', () => {
      let pod: TestPod;
      let other: TestPod;
      beforeAll(async () => {
        pod = await makePod(env().rest, { namespace: 'shop', name: 'cart-1', serviceAccount: 'cart', ip: '10.0.0.1' });
        other = await makePod(env().rest, { namespace: 'bank', name: 'vault-1', serviceAccount: 'vault', ip: '10.0.0.2' });
      });

      const open = async (
        who: Pick<TestPod, 'namespace' | 'name' | 'serviceAccount' | 'ip'> & { labels?: Record<string, string> },
        token?: string,
        replica = 0,
      ) => {
        const { namespace, name, serviceAccount, ip } = who;
        const client = new AdsClient({
          ...{ address: await replicas[replica]!.xdsTls, variant: 'delta', follow: true },
          credentials: proxyCredentials((await rootOf('shop'))!, token),
          node: {
            id: `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
            metadata: {
              NAMESPACE: namespace,
              LABELS: who.labels ?? {},
              INSTANCE_IPS: ip,
              CLUSTER_ID: 'Kubernetes',
              SERVICE_ACCOUNT: serviceAccount,
            },
          },
        });
        clients.push(client);
        client.subscribeAll(typeUrls.cluster);
        return client;
      };
      const isServed = (client: AdsClient) =>
        eventually(() => expect(client.of(typeUrls.cluster).resources.has('outbound|80||a.example.com')).toBe(true));

      it('serves a pod that shows its own token, on each replica', async () => {
        const token = await pod.token();
        await isServed(await open(pod, token));
        await isServed(await open(pod, token, 1));
      });

      it.each<[string, () => Promise<AdsClient>, status, string]>([
        ['no token', () => open(pod), status.UNAUTHENTICATED, 'carries no token'],
        [
          'a token for another audience',
          async () => open(pod, await pod.token('other')),
          status.UNAUTHENTICATED,
          'audience istio-ca',
        ],
        [
          'a token of the account that is bound to no pod',
          async () => open(pod, await requestToken(env().rest, 'shop/cart', { audiences: ['istio-ca'] })),
          ...([status.UNAUTHENTICATED, 'is not bound to a pod'] as const),
        ],
        [
          'a token that was tampered with',
          async () => open(pod, (await pod.token()).replace(/.{8}$/, 'AAAAAAAA')),
          ...([status.UNAUTHENTICATED, 'does not believe the token'] as const),
        ],
        [
          'a token past its end',
          async () => open(pod, withClaims(await pod.token(), { exp: 1_000_000_000 })),
          ...([status.UNAUTHENTICATED, 'the token expired at 2001-09-09T01:46:40.000Z'] as const),
        ],
        [
          'another cluster’s token',
          async () => open(pod, withClaims(await pod.token(), { iss: 'https://other.example.com' })),
          ...([status.UNAUTHENTICATED, 'does not believe the token'] as const),
        ],
        [
          'the name of another account',
          async () => open({ ...pod, serviceAccount: 'admin' }, await pod.token()),
          ...([status.PERMISSION_DENIED, '"admin"'] as const),
        ],
        [
          'another pod’s name without an account',
          async () => open({ ...other, serviceAccount: '' }, await pod.token()),
          ...([status.PERMISSION_DENIED, '"bank"'] as const),
        ],
        ['another namespace’s token', async () => open(pod, await other.token()), status.PERMISSION_DENIED, '"bank"'],
        [
          'the name of another pod of the same account',
          async () => open({ ...pod, name: 'cart-2' }, await pod.token()),
          ...([status.PERMISSION_DENIED, '"cart-2"'] as const),
        ],
        [
          'the address of another pod',
          async () => open({ ...pod, ip: other.ip }, await pod.token()),
          ...([status.PERMISSION_DENIED, 'names 10.0.0.2'] as const),
        ],
      ])('refuses %s', async (_, connectAs, code, details) => {
        const client = await connectAs();
        expect(await client.ended).toMatchObject({ code, details: expect.stringContaining(details) });
        expect(client.responses).toEqual([]);
      });

      it('serves a pod whose node names no account, and counts the refused by reason', async () => {
        await isServed(await open({ ...pod, serviceAccount: '' }, await pod.token()));
        const metric = replicas[0]!.manager.registry.getSingleMetric('weft_xds_refused_proxies_total')!;
        const counts = new Map((await metric.get()).values.map(({ labels, value }) => [labels.reason, value]));
        for (const reason of ['no_token', 'wrong_audience', 'not_bound_to_a_pod', 'expired', 'foreign_address'])
          expect(counts.get(reason), reason).toBe(1);
        expect([counts.get('invalid'), counts.get('foreign_node')]).toEqual([2, 4]);
      });

      it('takes a proxy’s labels from its pod, now and when they change; whatever it claims', async () => {
        const value = { name: 'secret', type: 'STATIC', connect_timeout: '1s', load_assignment: { cluster_name: 'secret' } };
        const body = {
          ...{ apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', metadata: { name: 'payments' } },
          spec: {
            workloadSelector: { labels: { app: 'payments-gw' } },
            configPatches: [{ applyTo: 'CLUSTER', patch: { operation: 'ADD', value } }],
          },
        };
        await env().rest.request({ method: 'POST', path: resourcePath(envoyFilterKind, 'istio-system'), body });
        const who = { namespace: 'shop', name: 'claims-1', serviceAccount: 'cart', ip: '10.0.0.5' };
        const claimant = await makePod(env().rest, { ...who, labels: { app: 'cart' } });
        const gateway = { ...who, name: 'gateway-1', ip: '10.0.0.6' };
        const known = await makePod(env().rest, { ...gateway, labels: { app: 'payments-gw' } });
        const client = await open({ ...claimant, labels: { app: 'payments-gw' } }, await claimant.token());
        const clusters = client.of(typeUrls.cluster).resources;
        const right = await open(known, await known.token());
        await eventually(() => expect(right.of(typeUrls.cluster).resources.has('secret')).toBe(true));
        await isServed(client);
        expect(clusters.has('secret')).toBe(false);
        const label = (app: string) => patch('/api/v1/namespaces/shop/pods/claims-1', { metadata: { labels: { app } } });
        await label('payments-gw');
        await eventually(() => expect(clusters.has('secret')).toBe(true));
        await label('cart');
        await eventually(() => expect(clusters.has('secret')).toBe(false));
      });

      it('has one stream of a pod: the newest', async () => {
        const first = await open(pod, await pod.token());
        await isServed(first);
        const second = await open(pod, await pod.token());
        await isServed(second);
        expect(await first.ended).toMatchObject({ code: status.ABORTED });
        const metrics = await replicas[0]!.manager.registry.metrics();
        expect(metrics).toContain('weft_xds_refused_proxies_total{reason="superseded"} 1');
      });

      it('turns a proxy out when its pod is deleted, and its token with it', async () => {
        const short = await makePod(env().rest, { namespace: 'shop', name: 'short-1', serviceAccount: 'cart', ip: '10.0.0.3' });
        const token = await short.token();
        const client = await open(short, token);
        await isServed(client);
        await env().rest.request({ method: 'DELETE', path: '/api/v1/namespaces/shop/pods/short-1' });
        expect(await client.ended).toMatchObject({ code: status.UNAUTHENTICATED, details: 'pod shop/short-1 was deleted' });
        expect(await (await open(short, token)).ended).toMatchObject({ code: status.UNAUTHENTICATED });
      });

      it('keeps streams through a rotation of certificate and CA, while new ones see the new', async () => {
        const token = await pod.token();
        const streams = [await open(pod, token), await open(pod, token, 1)];
        await Promise.all(streams.map(isServed));
        let endings = 0;
        for (const { ended } of streams) void ended.then(() => endings++);
        const annotate = (what: string) => patch(secretPath, { metadata: { annotations: { 'weft.dev/rotate': what } } });

        const first = (await rootOf('shop'))!;
        const [before] = await shownByAll(first);
        await annotate('certificate');
        await eventually(async () => {
          const shown = await shownByAll(first);
          expect([shown.size, shown.has(before!)]).toEqual([1, false]);
        });
        const [between] = await shownByAll(first);

        await annotate('ca');
        await eventually(async () => expect(certificatesIn(await rootOf('shop'))).toBe(2));
        const both = (await rootOf('shop'))!;
        expect([...(await shownByAll(first))]).toEqual([between]);
        // From every server, at every moment, a certificate that the bundle of this moment vouches for.
        await eventually(async () => expect((await shownByAll(both)).has(between!)).toBe(false));
        await eventually(async () => expect(certificatesIn(await rootOf('shop'))).toBe(1));
        const last = (await rootOf('shop'))!;
        expect(last).not.toBe(first);
        await shownByAll(last);
        await expect(shownByAll(first)).rejects.toThrow();
        expect(endings).toBe(0);
        await isServed(await open(pod, token));
        for (const path of [mutatingPath, validatingPath]) {
          const caBundle = Buffer.from(last).toString('base64');
          await eventually(async () => {
            const { webhooks } = await get<Configuration>(path);
            expect(webhooks.every(({ clientConfig }) => clientConfig.caBundle === caBundle)).toBe(true);
          });
        }
      });

      it('outlives the Secret: it is written again as it was, with no certificate refused', async () => {
        const ca = (await rootOf('shop'))!;
        const before = await get<{ data: object }>(secretPath);
        await env().rest.request({ method: 'DELETE', path: secretPath });
        await eventually(async () => expect((await get<{ data: object }>(secretPath)).data).toEqual(before.data));
        expect((await shownByAll(ca)).size).toBe(1);
      });
    });
  },
  { crdPaths: ['crds'] },
);
