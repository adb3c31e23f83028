import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { selfSigned } from './runtime/testing/self-signed.ts';
import { type AdmissionHandler, patched } from './runtime/webhook/admission.ts';
import { CertificateValue } from './runtime/webhook/certificates.ts';
import { WebhookServer } from './runtime/webhook/server.ts';
import { makeWebhookConfiguration, runSecureOperator, type SecureOperator } from './testing/secure-operator.ts';
import { injectPod } from './webhooks/injector/inject-pod.ts';
import type { Container, Pod } from './webhooks/injector/pod.ts';

const mutating = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

/** Answers for a webhook that comes behind Weft's: one more container, which has a probe, and a variable and a mount for the sidecar. */
const addToPod: AdmissionHandler = ({ object }) => {
  const { spec } = object as Pod;
  const at = spec.initContainers!.findIndex(({ name }) => name === 'istio-proxy');
  const proxy = `/spec/initContainers/${at}`;
  const helper = { name: 'helper', image: 'helper:1', readinessProbe: { httpGet: { path: '/ready', port: 9099 } } };
  return patched([
    { op: 'add', path: '/spec/containers/-', value: helper },
    { op: 'add', path: '/spec/volumes/-', value: { name: 'certificates', emptyDir: {} } },
    { op: 'add', path: `${proxy}/env/-`, value: { name: 'CLOUD_REGION', value: 'eu-1' } },
    { op: 'add', path: `${proxy}/volumeMounts/-`, value: { name: 'certificates', mountPath: '/etc/certificates' } },
  ]);
};

describeApi(
  'a webhook that changes a pod behind Weft’s',
  (env) => {
    let operator: SecureOperator;
    let other: WebhookServer;
    const stop = new AbortController();
    let running: Promise<void>;
    let calls: string[] = [];

    beforeAll(async () => {
      const make = (name: string, labels: Record<string, string> = {}) =>
        env().rest.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name, labels } } });
      await make('weft-system');
      for (const name of ['again', 'once']) await make(name, { 'istio-injection': 'enabled' });
      const inject: typeof injectPod = (request) => {
        calls.push('weft');
        return injectPod(request);
      };
      operator = await runSecureOperator(env().kubeConfig, { security: { inject } });
      const url = `https://127.0.0.1:${operator.webhookPort}/inject`;
      const rule = { resources: ['pods'], operations: ['CREATE'] };
      const inNamespace = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
      await makeWebhookConfiguration(env().rest, 'Mutating', [
        {
          ...{ name: 'again.inject.weft.dev', url, rule, reinvocationPolicy: 'IfNeeded' },
          namespaceSelector: inNamespace('again'),
        },
        { ...{ name: 'once.inject.weft.dev', url, rule, reinvocationPolicy: 'Never' }, namespaceSelector: inNamespace('once') },
      ]);

      const certificate = selfSigned(['127.0.0.1']);
      other = new WebhookServer({ certificates: new CertificateValue(certificate), bind: { host: '127.0.0.1', port: 0 } });
      other.register('/add', (request, context) => {
        calls.push('other');
        return addToPod(request, context);
      });
      running = other.start(stop.signal);
      await other.waitForReady(stop.signal);
      // API servers ask in the order of the configurations' names.
      const webhook = {
        name: 'add.example.com',
        clientConfig: {
          url: `https://${other.address}/add`,
          caBundle: Buffer.from(certificate.certificate).toString('base64'),
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], ...rule }],
        objectSelector: { matchLabels: { add: 'more' } },
        ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Fail' },
      };
      const body = {
        ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
        ...{ metadata: { name: 'zz-behind-weft' }, webhooks: [webhook] },
      };
      await env().rest.request({ method: 'POST', path: mutating, body });
      // Until the CA is in caBundle, and the API server has heard of both configurations, nothing is as it shall be.
      for (const namespace of ['again', 'once']) {
        await eventually(async () => {
          calls = [];
          expect((await create(namespace)).spec.containers.map(({ name }) => name)).toEqual(['main', 'helper']);
          expect(calls.slice(0, 2)).toEqual(['weft', 'other']);
        }, 30_000);
      }
    }, 90_000);
    afterEach(() => {
      calls = [];
    });
    afterAll(async () => {
      stop.abort();
      await running;
      await operator.stop();
    });

    const create = async (namespace: string): Promise<Pod> => {
      calls = [];
      const body = {
        metadata: { generateName: 'web-', labels: { add: 'more' } },
        spec: {
          serviceAccountName: 'default',
          containers: [{ name: 'main', image: 'main:1', readinessProbe: { httpGet: { path: '/healthy', port: 8080 } } }],
        },
      };
      return env().rest.request<Pod>({
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/pods`,
        query: { dryRun: 'All' },
        body,
      });
    };
    const containersOf = ({ spec }: Pod): Container[] => [...(spec.initContainers ?? []), ...spec.containers];
    const probedPort = (pod: Pod, name: string) =>
      containersOf(pod).find((container) => container.name === name)?.readinessProbe?.httpGet?.port;

    it('has Weft asked again where the policy is IfNeeded: all that was added is part of the mesh, and nothing of it lost', async () => {
      const pod = await create('again');
      expect(calls).toEqual(['weft', 'other', 'weft']);
      expect(containersOf(pod).map(({ name }) => name)).toEqual(['istio-init', 'istio-proxy', 'main', 'helper']);
      // Kubelets ask Envoy in place of the container that came later, as for the pod's own.
      expect([probedPort(pod, 'main'), probedPort(pod, 'helper')]).toEqual([
        ...[probedPort(pod, 'main'), probedPort(pod, 'main')],
      ]);
      expect(probedPort(pod, 'main')).not.toBe(8080);
      const proxy = pod.spec.initContainers!.find(({ name }) => name === 'istio-proxy')!;
      expect(proxy.env).toContainEqual({ name: 'CLOUD_REGION', value: 'eu-1' });
      expect(proxy.volumeMounts).toContainEqual({ name: 'certificates', mountPath: '/etc/certificates' });
      for (const names of [proxy.env!.map(({ name }) => name), pod.spec.volumes!.map(({ name }) => name)])
        expect(new Set(names).size).toBe(names.length);
    });

    it('leaves the addition to itself where the policy is Never', async () => {
      const pod = await create('once');
      expect(calls).toEqual(['weft', 'other']);
      expect(probedPort(pod, 'helper')).toBe(9099);
      expect(probedPort(pod, 'main')).not.toBe(8080);
    });
  },
  { crdPaths: ['crds'] },
);
