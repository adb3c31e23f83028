import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import type { KubeConfig } from '@kubernetes/client-node';
import { type AuthorityTimes, defaultAuthorityTimes } from '../authority/authority-times.ts';
import { namesOf } from '../installation-names.ts';
import type { OperatorOptions } from '../operator.ts';
import type { RestClient } from '../runtime/client/rest-client.ts';
import { findLoopbackPort } from '../runtime/testenv/loopback-port.ts';
import type { SecurityOptions } from '../security.ts';
import { defaultInjectionConfig } from '../webhooks/injector/config/injection-config.ts';
import { type RunningOperator, runOperator } from './running-operator.ts';

/** An operator with all of its security, on loopback. */
export interface SecureOperator extends RunningOperator {
  /** Resolves with where proxies connect over TLS. */
  readonly xdsTls: Promise<string>;
  readonly webhookPort: number;
}

interface SecureOperatorOptions {
  readonly security?: Partial<SecurityOptions>;
  readonly times?: Partial<AuthorityTimes>;
  readonly operator?: Partial<OperatorOptions>;
  /** In place of an authority of its own. */
  readonly issuer?: SecurityOptions['trust']['issuer'];
  /** The name of its webhook configurations. Default `weft`. */
  readonly webhookConfiguration?: string;
}

/** Starts one; proxies have no plaintext port. */
export async function runSecureOperator(kubeConfig: KubeConfig, options: SecureOperatorOptions = {}): Promise<SecureOperator> {
  const webhookPort = options.security?.webhookBind?.port ?? (await findLoopbackPort());
  const security: SecurityOptions = {
    xdsBind: { host: '127.0.0.1', port: 0 },
    tokenAudiences: [defaultInjectionConfig.xds.tokenAudience],
    webhookBind: { host: '127.0.0.1', port: webhookPort },
    trust: {
      issuer: options.issuer ?? {
        type: 'secret',
        secretName: namesOf().authoritySecret,
        times: { ...defaultAuthorityTimes, ...options.times },
        names: ['127.0.0.1', 'weft.weft-system.svc'],
      },
      webhookConfiguration: options.webhookConfiguration ?? namesOf().webhookConfiguration,
      rootConfigMap: { name: defaultInjectionConfig.xds.caConfigMap, key: defaultInjectionConfig.xds.caKey },
    },
    injection: defaultInjectionConfig,
    ...options.security,
  };
  const operator = runOperator(kubeConfig, { ...options.operator, xdsBind: undefined, security });
  const xdsTls = operator.addresses.then((addresses) => addresses.xdsTls!);
  // Whoever does not ask for it need not hear that it came to nothing.
  xdsTls.catch(() => {});
  return { ...operator, webhookPort, xdsTls };
}

/** What a proxy connects with: the CA that it trusts, and a token. */
export function proxyCredentials(ca: string, token?: string): ChannelCredentials {
  const tls = credentials.createSsl(Buffer.from(ca));
  if (token === undefined) return tls;
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return credentials.combineChannelCredentials(
    tls,
    credentials.createFromMetadataGenerator((_, callback) => callback(null, metadata)),
  );
}

/** A pod that runs as far as the API server knows, with its service account. */
export interface TestPod {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly ip: string;
  /** A projected token, good for an hour. */
  token(audience?: string): Promise<string>;
}

/** What a pod is made of. */
export interface PodSketch extends Omit<TestPod, 'token'> {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

/** Makes a pod with an address; its namespace must be there. */
export async function makePod(
  rest: RestClient,
  { namespace, name, serviceAccount, ip, labels = {}, annotations = {} }: PodSketch,
): Promise<TestPod> {
  const root = `/api/v1/namespaces/${namespace}`;
  await rest
    .request({ method: 'POST', path: `${root}/serviceaccounts`, body: { metadata: { name: serviceAccount } } })
    .catch((error: { reason?: string }) => {
      if (error.reason !== 'AlreadyExists') throw error;
    });
  const spec = { serviceAccountName: serviceAccount, containers: [{ name: 'main', image: 'main' }] };
  const body = { metadata: { name, labels, annotations }, spec };
  const { metadata } = await rest.request<{ metadata: { uid: string } }>({ method: 'POST', path: `${root}/pods`, body });
  await rest.request({
    method: 'PATCH',
    path: `${root}/pods/${name}/status`,
    contentType: 'application/merge-patch+json',
    body: { status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] } },
  });
  return {
    ...{ namespace, name, serviceAccount, ip },
    async token(audience = defaultInjectionConfig.xds.tokenAudience) {
      const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: metadata.uid };
      return requestToken(rest, `${namespace}/${serviceAccount}`, { audiences: [audience], boundObjectRef });
    },
  };
}

/** A token of a service account, as a projected volume would hold one. */
export async function requestToken(rest: RestClient, serviceAccount: string, spec: object): Promise<string> {
  const [namespace, name] = serviceAccount.split('/');
  const { status } = await rest.request<{ status: { token: string } }>({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600, ...spec } },
  });
  return status.token;
}

/** A Mutating- or ValidatingWebhookConfiguration for an operator on loopback, without a `caBundle`, as a chart makes it. */
export async function makeWebhookConfiguration(
  rest: RestClient,
  kind: 'Mutating' | 'Validating',
  webhooks: readonly { name: string; url: string; rule: object; namespaceSelector?: object; reinvocationPolicy?: string }[],
): Promise<void> {
  const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`;
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}WebhookConfiguration`,
    metadata: { name: namesOf().webhookConfiguration },
    webhooks: webhooks.map(({ name, url, rule, namespaceSelector = {}, reinvocationPolicy }) => ({
      ...{
        name,
        clientConfig: { url },
        rules: [{ apiGroups: [''], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], ...rule }],
      },
      ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Fail', timeoutSeconds: 10, namespaceSelector },
      ...(reinvocationPolicy && { reinvocationPolicy }),
    })),
  };
  await rest.request({ method: 'POST', path, query: { fieldManager: 'chart' }, body });
}
