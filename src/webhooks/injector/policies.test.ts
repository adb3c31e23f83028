import { describe, expect, it } from 'vitest';
import { defaultMeshConfig } from '../../mesh/mesh-config.ts';
import { defaultInjectionConfig, type InjectionConfig } from './config/injection-config.ts';
import type { InjectionRequest } from './injection.ts';
import { decideInjection } from './policies.ts';

type Texts = Record<string, string>;
const key = 'sidecar.istio.io/inject';

interface Case {
  namespace?: Texts;
  labels?: Texts;
  annotations?: Texts;
  config?: Partial<InjectionConfig>;
  spec?: object;
  name?: string;
}

const decide = ({ namespace, labels, annotations, config, spec, name = 'shop' }: Case) => {
  const request: InjectionRequest = {
    pod: {
      metadata: { name: 'web', ...(labels && { labels }), ...(annotations && { annotations }) },
      spec: { containers: [], ...spec },
    },
    namespace: { name, ...(namespace && { labels: namespace }) },
    config: { ...defaultInjectionConfig, ...config },
    meshConfig: defaultMeshConfig,
  };
  const { inject, policy } = decideInjection(request);
  return `${inject ? 'yes' : 'no'}, ${policy}`;
};

const enabled = { 'istio-injection': 'enabled' };
const canary = { revision: 'canary' };

describe('who is injected', () => {
  it.each<[string, Case, string]>([
    ['a labelled namespace', { namespace: enabled }, 'yes, default'],
    ['a namespace without labels', {}, 'no, unlabelled'],
    ['a pod that asks in it', { labels: { [key]: 'true' } }, 'yes, pod-label'],
    ['a pod whose annotation asks in it', { annotations: { [key]: 'true' } }, 'no, unlabelled'],
    ['a pod that names the revision in it', { labels: { 'istio.io/rev': 'default' } }, 'yes, default'],
    ['a pod that names another revision in it', { labels: { 'istio.io/rev': 'canary', [key]: 'true' } }, 'no, pod-revision'],
    ['a pod that names the revision and refuses', { labels: { 'istio.io/rev': 'default', [key]: 'false' } }, 'no, pod-label'],
    [
      'istio-injection=disabled',
      { namespace: { 'istio-injection': 'disabled' }, labels: { [key]: 'true' } },
      'no, namespace-label',
    ],
    ['another value of it', { namespace: { 'istio-injection': 'on' } }, 'no, namespace-label'],
    ['an empty value of it', { namespace: { 'istio-injection': '' } }, 'no, namespace-label'],
    ['istio-injection wins over the revision', { namespace: { ...enabled, 'istio.io/rev': 'canary' } }, 'yes, default'],
    [
      'and keeps other revisions out',
      { namespace: { ...enabled, 'istio.io/rev': 'canary' }, config: canary },
      'no, namespace-label',
    ],
    [
      'disabled wins over the revision',
      { namespace: { 'istio-injection': 'disabled', 'istio.io/rev': 'default' } },
      'no, namespace-label',
    ],
    ['a namespace of this revision', { namespace: { 'istio.io/rev': 'canary' }, config: canary }, 'yes, default'],
    ['a namespace of another', { namespace: { 'istio.io/rev': 'canary' } }, 'no, namespace-revision'],
    ['a namespace of a tag', { namespace: { 'istio.io/rev': 'prod' }, config: { revisionTags: ['prod'] } }, 'yes, default'],
    [
      'a revision that has the tag default',
      { namespace: enabled, config: { revision: 'canary', revisionTags: ['default'] } },
      'yes, default',
    ],
    ["a pod's revision in a labelled namespace", { namespace: enabled, labels: { 'istio.io/rev': 'canary' } }, 'yes, default'],
    [
      "a pod's revision in another's namespace",
      { namespace: { 'istio.io/rev': 'canary' }, labels: { 'istio.io/rev': 'default' } },
      'no, namespace-revision',
    ],
    ['a pod that refuses', { namespace: enabled, labels: { [key]: 'false' } }, 'no, pod-label'],
    ['a pod whose annotation refuses', { namespace: enabled, annotations: { [key]: 'false' } }, 'no, pod-annotation'],
    [
      'the label beats the annotation',
      { namespace: enabled, labels: { [key]: 'true' }, annotations: { [key]: 'false' } },
      'yes, pod-label',
    ],
    [
      'an empty label cancels the annotation',
      { namespace: enabled, labels: { [key]: '' }, annotations: { [key]: 'false' } },
      'yes, default',
    ],
    ['an empty annotation says nothing', { namespace: enabled, annotations: { [key]: '' } }, 'yes, default'],
    [
      'the network of the node',
      { namespace: enabled, labels: { [key]: 'true' }, spec: { hostNetwork: true } },
      'no, host-network',
    ],
    ['Windows', { namespace: enabled, spec: { os: { name: 'windows' } } }, 'no, windows'],
    [
      'Windows by the node that it wants',
      { namespace: enabled, spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } },
      'no, windows',
    ],
    ['a system namespace', { namespace: enabled, name: 'kube-system', labels: { [key]: 'true' } }, 'no, ignored-namespace'],
    ['policy disabled', { namespace: enabled, config: { policy: 'disabled' } }, 'no, default'],
    [
      'policy disabled, and a pod that asks',
      { namespace: enabled, labels: { [key]: 'true' }, config: { policy: 'disabled' } },
      'yes, pod-label',
    ],
    [
      'never before always',
      {
        namespace: enabled,
        labels: { a: 'b' },
        config: { neverInjectSelector: [{ matchLabels: { a: 'b' } }], alwaysInjectSelector: [{ matchLabels: { a: 'b' } }] },
      },
      'no, never-inject-selector',
    ],
    [
      'always, with policy disabled',
      {
        namespace: enabled,
        labels: { a: 'b' },
        config: { policy: 'disabled', alwaysInjectSelector: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] },
      },
      'yes, always-inject-selector',
    ],
    [
      'a pod that asks, before never',
      { namespace: enabled, labels: { a: 'b', [key]: 'true' }, config: { neverInjectSelector: [{ matchLabels: { a: 'b' } }] } },
      'yes, pod-label',
    ],
    ['an empty selector matches nothing', { namespace: enabled, config: { neverInjectSelector: [{}] } }, 'yes, default'],
    ['unlabelled namespaces by default', { config: { enableNamespacesByDefault: true } }, 'yes, default'],
    [
      'not with an empty label of the pod',
      { labels: { [key]: '' }, config: { enableNamespacesByDefault: true } },
      'no, unlabelled',
    ],
    ['not by another revision', { config: { ...canary, enableNamespacesByDefault: true } }, 'no, unlabelled'],
  ])('%s', (_, input, expected) => {
    expect(decide(input)).toBe(expected);
  });

  it.each<[string, Case]>([
    ['label', { namespace: enabled, labels: { [key]: 'yes' } }],
    ['annotation', { namespace: enabled, annotations: { [key]: 'True' } }],
  ])('refuses a value of the %s that is none', (where, input) => {
    expect(() => decide(input)).toThrow(`for ${where} ${key}: expected true or false`);
  });

  it('leaves such a value alone where another injector serves', () => {
    expect(decide({ namespace: { 'istio.io/rev': 'canary' }, labels: { [key]: 'yes' } })).toBe('no, namespace-revision');
  });
});
