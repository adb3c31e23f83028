import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { namespaceKind } from '../../api/kubernetes/namespace.ts';
import { defaultMeshConfig, type MeshConfig } from '../../mesh/mesh-config.ts';
import { ObjectStore } from '../../runtime/cache/object-store.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import { FakeClock, settle } from '../../runtime/testing/fake-clock.ts';
import { type LoggedLine, logInto } from '../../runtime/testing/log-lines.ts';
import type { AdmissionHandler, AdmissionRequest } from '../../runtime/webhook/admission.ts';
import { defaultInjectionConfig } from '../injector/config/injection-config.ts';
import type { InjectionRequest, InjectionResult } from '../injector/injection.ts';
import { createInjectionHandler } from './injection-handler.ts';

const namespace = (labels?: Record<string, string>): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', namespace: '', ...(labels && { labels }) },
});
const enabled = namespace({ 'istio-injection': 'enabled' });
const pod = { metadata: { generateName: 'web-' }, spec: { containers: [{ name: 'web', image: 'web' }] } };
const review = (fields: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  uid: '1',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  resource: { group: '', version: 'v1', resource: 'pods' },
  ...{ operation: 'CREATE', namespace: 'shop', object: pod, userInfo: {} },
  ...fields,
});

let namespaces: ObjectStore<KubernetesObject>;
let live: KubernetesObject | undefined;
let reads: number;
let inject: (request: InjectionRequest) => InjectionResult;
let registry: Registry;
let lines: LoggedLine[];
let handle: AdmissionHandler;
let meshConfig: MeshConfig;
const { signal } = new AbortController();

beforeEach(() => {
  namespaces = new ObjectStore<KubernetesObject>(namespaceKind);
  namespaces.replace([enabled]);
  [live, reads, registry, lines, meshConfig] = [enabled, 0, new Registry(), [], defaultMeshConfig];
  inject = ({ pod, namespace: { labels } }) =>
    labels?.['istio-injection'] === 'enabled'
      ? {
          outcome: 'injected',
          pod: { ...pod, spec: { ...pod.spec, containers: [...pod.spec.containers, { name: 'istio-proxy' }] } },
          warnings: ['careful'],
        }
      : { outcome: 'skipped', policy: 'namespace', reason: 'no label' };
  handle = createInjectionHandler({
    inject: (request) => inject(request),
    ...{ config: () => defaultInjectionConfig, meshConfig: () => meshConfig, namespaces },
    readNamespace: async () => {
      reads++;
      return live;
    },
    ...{ clock: new FakeClock(), logger: logInto(lines), registry },
  });
});

const counts = async () => {
  const of = async (what: string) => (await registry.getSingleMetric(`sidecar_injection_${what}_total`)!.get()).values[0]!.value;
  return { requests: await of('requests'), success: await of('success'), failure: await of('failure'), skip: await of('skip') };
};

describe('reviews of pods', () => {
  it('are answered with the patch of the injected pod', async () => {
    expect(await handle(review(), { signal })).toEqual({
      type: 'patched',
      patch: [{ op: 'add', path: '/spec/containers/1', value: { name: 'istio-proxy' } }],
      warnings: ['careful'],
    });
    expect(reads).toBe(0);
    expect(await counts()).toEqual({ requests: 1, success: 1, failure: 0, skip: 0 });
  });

  it('hold no more of warnings and of a refusal than a person reads', async () => {
    const many = Array.from({ length: 12 }, () => 'w'.repeat(1000));
    inject = ({ pod }) => ({ outcome: 'injected', pod, warnings: many });
    const { warnings = [] } = await handle(review(), { signal });
    expect(warnings.length).toBe(11);
    expect(warnings.join('').length).toBeLessThanOrEqual(4096);
    inject = () => ({ outcome: 'refused', message: 'm'.repeat(100_000) });
    expect(await handle(review(), { signal })).toEqual({ type: 'denied', message: expect.stringMatching(/^m{4095}…$/) });
  });

  it('are refused with the injector’s message', async () => {
    inject = () => ({ outcome: 'refused', message: 'annotation x of pod shop/web-*: "y"' });
    expect(await handle(review(), { signal })).toEqual({ type: 'denied', message: 'annotation x of pod shop/web-*: "y"' });
    expect(await counts()).toEqual({ requests: 1, success: 0, failure: 1, skip: 0 });
  });

  it('go by what the path says of the webhook’s selectors, before the configuration has it', async () => {
    const asked: InjectionRequest['config'][] = [];
    inject = ({ config }) => {
      asked.push(config);
      return { outcome: 'refused', message: 'enough' };
    };
    await handle(review(), { signal, path: '/inject/revision/default/revision/prod' });
    await handle(review(), { signal, path: '/inject/unlabelled/true' });
    expect(asked).toMatchObject([{ revisionTags: ['prod'] }, { revisionTags: [], enableNamespacesByDefault: true }]);
  });

  it('leave a pod as it is only after the API server said that the namespace’s labels are so', async () => {
    namespaces.replace([namespace()]);
    expect(await handle(review(), { signal })).toMatchObject({ type: 'patched' });
    expect(reads).toBe(1);
    live = namespace();
    expect(await handle(review(), { signal })).toEqual({
      type: 'allowed',
      auditAnnotations: { 'injection-skipped': 'namespace' },
    });
    expect(await counts()).toEqual({ requests: 2, success: 1, failure: 0, skip: 1 });
  });

  it('ask for a namespace that the watch has not brought yet, and wait for the first list', async () => {
    namespaces = new ObjectStore<KubernetesObject>(namespaceKind);
    const { namespaces: late } = { namespaces };
    handle = createInjectionHandler({
      inject: (request) => inject(request),
      ...{ config: () => defaultInjectionConfig, meshConfig: () => defaultMeshConfig, namespaces: late },
      readNamespace: async () => live,
      ...{ clock: new FakeClock(), logger: logInto(lines), registry: new Registry() },
    });
    let answered = false;
    const answer = Promise.resolve(handle(review(), { signal })).finally(() => {
      answered = true;
    });
    await settle();
    expect(answered).toBe(false);
    late.replace([]);
    expect(await answer).toMatchObject({ type: 'patched' });
  });

  describe('in a namespace that discoverySelectors leave out', () => {
    beforeEach(() => {
      meshConfig = {
        ...defaultMeshConfig,
        discoverySelectors: [{ matchLabels: { mesh: 'yes' } }, { matchLabels: { mesh: 'too' } }],
      };
    });

    it('leave the pod as it is, whatever is wrong with it, and say why: nobody would bring it the CA', async () => {
      const answer = {
        type: 'allowed',
        auditAnnotations: { 'injection-skipped': 'discovery-selectors' },
        warnings: ["no sidecar: no entry of the mesh config's discoverySelectors matches the labels of namespace shop"],
      };
      expect(await handle(review(), { signal })).toEqual(answer);
      inject = () => ({ outcome: 'refused', message: 'annotation x' });
      expect(await handle(review(), { signal })).toEqual(answer);
      expect(await counts()).toEqual({ requests: 2, success: 0, failure: 0, skip: 2 });
    });

    it('do not warn of a pod that would not be injected anyway', async () => {
      inject = () => ({ outcome: 'skipped', policy: 'pod-label', reason: 'no' });
      expect(await handle(review(), { signal })).toEqual({
        type: 'allowed',
        auditAnnotations: { 'injection-skipped': 'pod-label' },
      });
    });

    it('inject it as soon as the API server says that a selector matches', async () => {
      live = namespace({ 'istio-injection': 'enabled', mesh: 'too' });
      expect(await handle(review(), { signal })).toMatchObject({ type: 'patched' });
      expect(reads).toBe(1);
    });
  });

  it('of anything but a new pod are allowed', async () => {
    for (const fields of [
      { operation: 'UPDATE' },
      { subResource: 'status' },
      { resource: { group: 'apps', version: 'v1', resource: 'deployments' } },
    ] as const)
      expect(await handle(review(fields), { signal })).toEqual({ type: 'allowed' });
    expect((await counts()).skip).toBe(3);
  });

  it.each([
    ['no object', { object: undefined }],
    ['no containers', { object: { metadata: {}, spec: {} } }],
    ['null', { object: null }],
    ['no namespace', { namespace: '' }],
  ])('that hold %s get 400', async (_, fields) => {
    expect(await handle(review(fields), { signal })).toMatchObject({ type: 'errored', code: 400 });
    expect((await counts()).failure).toBe(1);
  });

  it('count a fault of the injector’s own, and leave the decision to the failure policy', async () => {
    inject = () => {
      throw new TypeError('undefined is not a container');
    };
    await expect(async () => handle(review(), { signal })).rejects.toThrow('undefined is not a container');
    expect(await counts()).toEqual({ requests: 1, success: 0, failure: 1, skip: 0 });
  });
});
