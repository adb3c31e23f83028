import { expect, it } from 'vitest';
import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { type LabelSelector, matchesSelector } from '../../src/runtime/cache/label-selector.ts';
import { readInjectionConfig } from '../../src/webhooks/injector/config/read-injection-config.ts';
import { decideInjection } from '../../src/webhooks/injector/policies.ts';
import { readRender, renders } from './renders.ts';

interface Webhooks {
  readonly webhooks: readonly {
    readonly name: string;
    readonly namespaceSelector: LabelSelector;
    readonly objectSelector: LabelSelector;
  }[];
}

type Labels = Readonly<Record<string, string>>;

/** Every combination of what labels may say. */
function combinations(labels: Readonly<Record<string, readonly (string | undefined)[]>>): Labels[] {
  return Object.entries(labels).reduce<Labels[]>(
    (all, [key, values]) =>
      all.flatMap((each) => values.map((value) => (value === undefined ? each : { ...each, [key]: value }))),
    [{}],
  );
}

const revisions = [undefined, 'default', 'v2', 'next', 'canary', 'other'];
const namespaces = combinations({ 'istio-injection': [undefined, 'enabled', 'disabled'], 'istio.io/rev': revisions });
const pods = combinations({ 'sidecar.istio.io/inject': [undefined, 'true', 'false'], 'istio.io/rev': revisions });

it.each(renders)('%s: the API server asks about each pod that is injected, and about none twice', (file) => {
  const configuration = readRender<Webhooks>(file, 'MutatingWebhookConfiguration');
  if (!configuration) return;
  const injection = readRender<{ data: Labels }>(file, 'ConfigMap')!.data['injection.yaml']!;
  const { config } = readInjectionConfig(injection, file);
  let injected = 0;
  for (const name of ['shop', 'weft-system', 'kube-system']) {
    for (const namespaceLabels of namespaces.map((each) => ({ ...each, 'kubernetes.io/metadata.name': name }))) {
      for (const labels of pods) {
        const asking = configuration.webhooks.filter(
          ({ namespaceSelector, objectSelector }) =>
            matchesSelector(namespaceSelector, namespaceLabels) && matchesSelector(objectSelector, labels),
        );
        const { inject } = decideInjection({
          ...{ pod: { metadata: { labels }, spec: { containers: [] } }, namespace: { name, labels: namespaceLabels } },
          ...{ config, meshConfig: defaultMeshConfig },
        });
        const about = JSON.stringify({ namespaceLabels, labels });
        expect(asking.length, about).toBeLessThanOrEqual(1);
        if (inject) expect(asking.length, about).toBe(1);
        if (inject) injected++;
      }
    }
  }
  expect(injected).toBeGreaterThan(0);
});

it('every entry is in every configuration: one that is taken out would be refused by server-side apply', () => {
  const names = renders.flatMap((file) => {
    const configuration = readRender<Webhooks>(file, 'MutatingWebhookConfiguration');
    return configuration ? [configuration.webhooks.map(({ name }) => name)] : [];
  });
  expect(names.length).toBeGreaterThan(3);
  for (const each of names)
    expect(each).toEqual(
      ['rev.namespace', 'rev.object', 'namespace', 'object', 'auto'].map((name) => `${name}.injection.weft.dev`),
    );
});
