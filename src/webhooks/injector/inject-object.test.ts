import { describe, expect, it } from 'vitest';
import { defaultMeshConfig } from '../../mesh/mesh-config.ts';
import { defaultInjectionConfig } from './config/injection-config.ts';
import { injectObject } from './inject-object.ts';
import type { JsonMap } from './injection.ts';

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web' }] } };
const inject = (object: JsonMap, labels?: Record<string, string>) =>
  injectObject(object, { config: defaultInjectionConfig, meshConfig: defaultMeshConfig, labelsOf: () => labels });

/** The bootstrap of the sidecar of a template or pod. */
const bootstrapOf = (pod: unknown) => {
  const { initContainers } = (pod as { spec: { initContainers: { name: string; args?: string[] }[] } }).spec;
  return JSON.parse(initContainers.find(({ name }) => name === 'istio-proxy')!.args![1]!);
};

describe('injectObject', () => {
  it.each(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'Rollout'])(
    'injects the template of a %s, and names its owner',
    (kind) => {
      const object = {
        apiVersion: 'apps/v1',
        kind,
        metadata: { name: 'web', namespace: 'shop' },
        spec: { replicas: 2, template },
      };
      const outcome = inject(object)!;
      expect(outcome.name).toBe(`${kind} shop/web`);
      const { spec } = outcome.object as { spec: { replicas: number; template: typeof template } };
      expect(spec.replicas).toBe(2);
      expect(spec.template.metadata).not.toHaveProperty('generateName');
      expect(bootstrapOf(spec.template).node.metadata).toMatchObject({
        WORKLOAD_NAME: 'web',
        OWNER: expect.stringContaining(`/${kind.toLowerCase()}s/web`),
      });
      expect(outcome.capture?.mode).toBe('REDIRECT');
    },
  );

  it('injects the pods of a CronJob', () => {
    const { object } = inject({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'nightly' },
      spec: { jobTemplate: { spec: { template } } },
    })!;
    const { jobTemplate } = (object as { spec: { jobTemplate: { spec: { template: unknown } } } }).spec;
    expect(bootstrapOf(jobTemplate.spec.template).node.metadata.WORKLOAD_NAME).toBe('nightly');
  });

  it('gives a template injected again its own result', () => {
    const once = inject({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { template } })!;
    expect(inject(once.object)!.object).toEqual(once.object);
  });

  it('takes null for nothing', () => {
    const metadata = { creationTimestamp: null, labels: null, annotations: null };
    const { result } = inject({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: { containers: [{ name: 'web', env: null }], volumes: null },
    })!;
    expect(result.outcome).toBe('injected');
  });

  it('leaves alone what has no pod, and what its namespace does not want injected', () => {
    expect(inject({ apiVersion: 'v1', kind: 'Service', spec: { ports: [] } })).toBeUndefined();
    expect(inject({ apiVersion: 'apps/v1', kind: 'Deployment', spec: {} })).toBeUndefined();
    expect(inject({ kind: 'toString' })).toBeUndefined();
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, ...{ spec: template.spec } };
    expect(inject(pod, { 'istio-injection': 'disabled' })).toMatchObject({
      result: { outcome: 'skipped' },
      object: pod,
      capture: undefined,
    });
  });

  it('leaves alone what discoverySelectors leave out, by all labels of its namespace', () => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop' }, spec: template.spec };
    const within = (matchLabels: Record<string, string>, labels?: Record<string, string>, object: JsonMap = pod) =>
      injectObject(object, {
        config: defaultInjectionConfig,
        meshConfig: { ...defaultMeshConfig, discoverySelectors: [{ matchLabels }] },
        labelsOf: () => labels,
      })!;
    const reason = "no entry of the mesh config's discoverySelectors matches the labels of namespace shop";
    const outside = { outcome: 'skipped', policy: 'discovery-selectors', reason };
    expect(within({ mesh: 'on' }, { 'istio-injection': 'enabled' })).toMatchObject({ result: outside, object: pod });
    expect(within({ mesh: 'on' }, {}).capture).toBeUndefined();
    expect(within({ mesh: 'on' }, { mesh: 'on' }).result).toMatchObject({ outcome: 'injected', warnings: [] });
    const byName = { 'kubernetes.io/metadata.name': 'shop' };
    expect(within(byName, {}).result).toMatchObject({ outcome: 'injected', warnings: [] });
    expect(within(byName).result).toMatchObject({ outcome: 'injected', warnings: [] });
    // Where it stands is not known: that is said, and not taken for a no.
    const said = expect.stringContaining('the labels of namespace shop are not known');
    expect(within({ mesh: 'on' }).result).toMatchObject({ outcome: 'injected', warnings: [said] });
    const bad = { ...pod, metadata: { ...pod.metadata, annotations: { 'sidecar.istio.io/logLevel': 'loud' } } };
    expect(within({ mesh: 'on' }, {}, bad).result).toMatchObject(outside);
    expect(within({ mesh: 'on' }, undefined, bad).result.outcome).toBe('refused');
  });

  it('captures nothing of a pod whose templates leave out the sidecar', () => {
    const templates = { extra: { metadata: { labels: { extra: 'yes' } } } };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: template.spec };
    const { result, capture } = injectObject(pod, {
      config: { ...defaultInjectionConfig, templates, defaultTemplates: ['extra'] },
      ...{ meshConfig: defaultMeshConfig, labelsOf: () => undefined },
    })!;
    expect([result.outcome, capture]).toEqual(['injected', undefined]);
  });

  it('captures by the user that templates give the sidecar', () => {
    const proxy = { name: 'istio-proxy', securityContext: { runAsUser: 2000 } };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: template.spec };
    const { capture } = injectObject(pod, {
      config: {
        ...defaultInjectionConfig,
        templates: { user: { spec: { initContainers: [proxy] } } },
        defaultTemplates: ['sidecar', 'user'],
      },
      ...{ meshConfig: defaultMeshConfig, labelsOf: () => undefined },
    })!;
    expect(capture).toMatchObject({ proxyUids: [2000], proxyGids: [2000] });
  });

  it('takes a namespace that it knows nothing of for one of its own revision', () => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop' }, spec: template.spec };
    const outcome = (labels?: Record<string, string>) =>
      injectObject(pod, {
        ...{ config: { ...defaultInjectionConfig, revision: 'v2' }, meshConfig: defaultMeshConfig },
        labelsOf: (name) => (name === 'shop' ? labels : undefined),
      })!.result.outcome;
    expect(outcome()).toBe('injected');
    expect(outcome({ 'istio.io/rev': 'v2' })).toBe('injected');
    expect(outcome({ 'istio-injection': 'enabled' })).toBe('skipped');
    expect(outcome({ 'istio.io/rev': 'v1' })).toBe('skipped');
  });

  it('names the workload in a refusal', () => {
    const bad = { ...template, metadata: { annotations: { 'sidecar.istio.io/logLevel': 'loud' } } };
    const { result } = inject({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { template: bad },
    })!;
    expect(result).toMatchObject({
      outcome: 'refused',
      message: expect.stringContaining('pod shop/web-* cannot be injected: invalid value "loud"'),
    });
  });
});
