import { describe, expect, it } from 'vitest';
import { defaultInjectionConfig } from './injection-config.ts';
import { readInjectionConfig } from './read-injection-config.ts';

describe('readInjectionConfig', () => {
  it('lays a file over the defaults: maps are merged, lists replaced, null takes away', () => {
    const { config, errors, warnings } = readInjectionConfig(
      'revision: canary\nignoredNamespaces: [infra]\nproxy:\n  resources: { limits: null, requests: { cpu: 50m } }\n  seccompProfile: null\n',
      'values.yaml',
    );
    expect([errors, warnings]).toEqual([[], []]);
    const { seccompProfile: _, ...proxy } = defaultInjectionConfig.proxy;
    expect(config).toEqual({
      ...defaultInjectionConfig,
      revision: 'canary',
      ignoredNamespaces: ['infra'],
      proxy: { ...proxy, resources: { requests: { cpu: '50m', memory: '128Mi' } } },
    });
  });

  it.each(['', '# nothing\n', '{}'])('takes the defaults for %j', (text) => {
    expect(readInjectionConfig(text, 'f')).toEqual({ config: defaultInjectionConfig, errors: [], warnings: [] });
  });

  it("reads the part of the chart's values that is for it", () => {
    const { config, errors, warnings } = readInjectionConfig(
      'replicas: 2\ninjection:\n  network: n1\n  nonsense: 1\n',
      'values.yaml',
    );
    expect(config.network).toBe('n1');
    expect(errors).toEqual([]);
    expect(warnings).toEqual(['values.yaml:4:13: injection.nonsense: unknown field, it has no effect']);
  });

  it("computes of the chart's values what its ConfigMap says, `injection` over the rest", () => {
    const read = (text: string, namespace?: string) => readInjectionConfig(text, 'values.yaml', namespace);
    const { ignoredNamespaces } = defaultInjectionConfig;
    expect(read('initImage: { repository: r.example/init }')).toMatchObject({
      config: {
        ...{ revision: 'default', revisionTags: [], ignoredNamespaces: ['weft-system', ...ignoredNamespaces] },
        init: { image: defaultInjectionConfig.init.image.replace('weft/init', 'r.example/init') },
        xds: { address: 'weft.weft-system.svc:15012', caConfigMap: 'weft-ca-root-cert' },
      },
      ...{ errors: [], warnings: [] },
    });
    const text = `
revision: v1
revisionTags: [prod, '']
initImage: { repository: r.example/init, tag: t, digest: 'sha256:${'0'.repeat(64)}' }
injection: { xds: { caConfigMap: other }, ignoredNamespaces: [infra, mesh], imagePullSecrets: [{ name: a }] }
`;
    expect(read(text, 'mesh')).toMatchObject({
      config: {
        ...{ revision: 'v1', revisionTags: ['prod'], ignoredNamespaces: ['mesh', 'infra'], imagePullSecrets: ['a'] },
        init: { image: `r.example/init@sha256:${'0'.repeat(64)}` },
        xds: { address: 'weft-v1.mesh.svc:15012', caConfigMap: 'other' },
      },
      ...{ errors: [], warnings: [] },
    });
    expect(read('revision: v1').config.xds).toEqual(defaultInjectionConfig.xds);
  });

  it("refuses the chart's values where it cannot use them, and warns of what is none", () => {
    const { errors, config } = readInjectionConfig('initImage: { tag: 1.30 }\ninjection: 7\nrevisionTags: a', 'f');
    expect(errors).toEqual([
      'f:3:15: revisionTags: must be a list, found the string "a"',
      'f:1:19: initImage.tag: must be a string, found 1.3',
      'f:2:12: injection: must be a map of fields, found 7',
    ]);
    expect(config).toBe(defaultInjectionConfig);
    expect(readInjectionConfig('initImage: { repository: a b }', 'f').errors).toEqual([
      expect.stringMatching(/^f:1:12: initImage: expected a reference to an image/),
    ]);
    const { warnings } = readInjectionConfig('replicas: 1\nnetwork: n1\n', 'f');
    expect(warnings).toEqual(['f:2:10: network: the chart has no such value, it has no effect']);
  });

  it('takes pull secrets by name and as pods have them', () => {
    const text = 'imagePullSecrets: [mirror, { name: registry }]';
    expect(readInjectionConfig(text, 'f')).toMatchObject({
      config: { imagePullSecrets: ['mirror', 'registry'] },
      errors: [],
      warnings: [],
    });
  });

  it('warns of an image of Istio’s for the sidecar', () => {
    const { config, errors, warnings } = readInjectionConfig('proxy:\n  image: docker.io/istio/proxyv2:1.30.3\n', 'f');
    expect([config.proxy.image, errors]).toEqual(['docker.io/istio/proxyv2:1.30.3', []]);
    expect(warnings).toEqual([
      expect.stringMatching(/^f:2:10: proxy\.image: .* upstream Envoy 1\.40 or later, such as docker\.io\/envoyproxy/),
    ]);
  });

  it.each([
    ['imagePullSecrets: [{ name: 1 }]', 'f:1:20: imagePullSecrets[0]: must be a string, found 1'],
    ['imagePullSecrets: [{ name: a, key: b }]', 'f:1:20: imagePullSecrets[0]: must be a string, found a map'],
    ['imagePullSecrets: {}', 'f:1:19: imagePullSecrets: must be a list, found a map'],
    ['proxy: { image: 1 }', 'f:1:17: proxy.image: must be a string, found 1'],
    ['nativeSidecars: auto', 'f:1:17: nativeSidecars: must be true or false, found the string "auto"'],
    ['ports:\n  status: 0', 'f:2:11: ports.status: must be between 1 and 65535, found 0'],
    ['ipFamilies: both', 'f:1:13: ipFamilies: must be one of auto, ipv4, ipv6, dual; found "both"'],
    ['proxy: { image: "Envoy:v1" }', 'f:1:17: proxy.image: expected a reference to an image'],
    ['init: { image: a b }', 'f:1:16: init.image: expected a reference to an image'],
    ['proxy: { logLevel: loud }', 'f:1:20: proxy.logLevel: expected one of trace,'],
    ['proxy: { componentLogLevel: "foo:debug" }', 'proxy.componentLogLevel: Envoy has no component "foo"'],
    ['xds: { address: weft }', 'f:1:17: xds.address: must be HOST:PORT'],
    [
      'proxy: { resources: { requests: { cpu: "3" } } }',
      'f:1:40: proxy.resources.requests.cpu: must not be more than the limit, which is "2000m"',
    ],
    ['defaultTemplates: [sidecar, more]', 'f:1:29: defaultTemplates[1]: there is no template more; there are sidecar'],
    [
      'neverInjectSelector: [{ matchLabels: { a: 1 } }]',
      'f:1:23: neverInjectSelector[0]: matchLabels.a: expected a string, found 1; put it in quotes',
    ],
    ['revision: null', 'f:1:11: revision: is required'],
    ['- a', 'f:1:1: expected a map of fields'],
    ['a: [', 'YAML'],
  ])('refuses %j where it stands', (text, message) => {
    const { config, errors } = readInjectionConfig(text, 'f');
    expect(errors.join('\n')).toContain(message);
    expect(config).toBe(defaultInjectionConfig);
  });
});
