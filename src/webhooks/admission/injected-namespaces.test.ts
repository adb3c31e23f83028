import { beforeEach, expect, it } from 'vitest';
import { namespaceKind } from '../../api/kubernetes/namespace.ts';
import { type Pod, podKind } from '../../api/kubernetes/pod.ts';
import { ObjectStore } from '../../runtime/cache/object-store.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import { defaultInjectionConfig, type InjectionConfig } from '../injector/config/injection-config.ts';
import { InjectedNamespaces } from './injected-namespaces.ts';

let namespaces: ObjectStore<KubernetesObject>;
let pods: ObjectStore<Pod>;
let outsiders: Set<string>;
let config: InjectionConfig;
let injected: InjectedNamespaces;
let version = 0;

beforeEach(() => {
  namespaces = new ObjectStore<KubernetesObject>(namespaceKind);
  pods = new ObjectStore<Pod>(podKind);
  outsiders = new Set();
  config = defaultInjectionConfig;
  injected = new InjectedNamespaces({ namespaces, pods, config: () => config, takesPart: (name) => !outsiders.has(name) });
});

const put = (name: string, labels: Record<string, string> = {}, more: object = {}) =>
  namespaces.apply(namespaceKind.slim({ metadata: { name, labels, resourceVersion: String(++version), ...more } }));
const putPod = (namespace: string, labels: Record<string, string>) =>
  pods.apply(podKind.slim({ metadata: { name: 'p', namespace, labels, resourceVersion: String(++version) } }));

it.each<[string, Record<string, string>, Partial<InjectionConfig>, boolean]>([
  ['no label', {}, {}, false],
  ['no label, by default', {}, { enableNamespacesByDefault: true }, true],
  ['enabled', { 'istio-injection': 'enabled' }, {}, true],
  ['enabled, another revision', { 'istio-injection': 'enabled' }, { revision: 'canary' }, false],
  ['disabled', { 'istio-injection': 'disabled', 'istio.io/rev': 'default' }, { enableNamespacesByDefault: true }, false],
  ['the revision', { 'istio.io/rev': 'canary' }, { revision: 'canary' }, true],
  ['a tag of the revision', { 'istio.io/rev': 'prod' }, { revision: 'canary', revisionTags: ['prod'] }, true],
  ['another revision', { 'istio.io/rev': 'other' }, {}, false],
  ['a namespace that is ignored', { 'istio-injection': 'enabled' }, { ignoredNamespaces: ['shop'] }, false],
])('a namespace with %s', (_, labels, changes, wanted) => {
  config = { ...config, ...changes };
  put('shop', labels);
  expect(injected.includes('shop')).toBe(wanted);
  expect(injected.list()).toEqual(wanted ? ['shop'] : []);
});

it('needs no label where a pod has one, and none of what is going or takes no part', () => {
  put('shop');
  putPod('shop', { app: 'web' });
  expect(injected.includes('shop')).toBe(false);
  for (const [label, value] of [
    ['sidecar.istio.io/inject', 'true'],
    ['istio.io/rev', 'default'],
    ['security.istio.io/tlsMode', 'disabled'],
    ['security.istio.io/tlsMode', 'istio'],
  ] as const) {
    putPod('shop', { [label]: value });
    expect(injected.includes('shop')).toBe(true);
  }
  outsiders.add('shop');
  expect(injected.includes('shop')).toBe(false);
  outsiders.clear();
  put('shop', { 'istio-injection': 'enabled' }, { deletionTimestamp: '2026-01-01T00:00:00Z' });
  expect(injected.includes('shop')).toBe(false);
  expect(injected.includes('nowhere')).toBe(false);
});

it('tells of namespaces that have come to be injected', () => {
  const told: string[] = [];
  const end = injected.onChange((namespace) => told.push(namespace));
  put('shop');
  put('bank', { 'istio-injection': 'enabled' });
  putPod('shop', { app: 'web' });
  expect(told).toEqual(['bank']);
  putPod('shop', { 'sidecar.istio.io/inject': 'true' });
  putPod('shop', { 'sidecar.istio.io/inject': 'true', version: 'v2' });
  expect(told).toEqual(['bank', 'shop']);
  pods.delete('shop/p');
  end();
  put('late', { 'istio-injection': 'enabled' });
  expect(told).toEqual(['bank', 'shop']);
});
