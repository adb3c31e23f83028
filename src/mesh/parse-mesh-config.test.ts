import { describe, expect, it } from 'vitest';
import { defaultMeshConfig } from './mesh-config.ts';
import { parseMeshConfig } from './parse-mesh-config.ts';

describe('parseMeshConfig', () => {
  it("reads Istio's words, and leaves the rest at its default", () => {
    const { config, problems } = parseMeshConfig(
      'rootNamespace: mesh\noutboundTrafficPolicy: { mode: REGISTRY_ONLY }\nconnectTimeout: 1.5s\naccessLogFile: /dev/stdout\n',
    );
    expect(problems).toEqual([]);
    expect(config).toEqual({
      ...defaultMeshConfig,
      rootNamespace: 'mesh',
      outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
      connectTimeoutMs: 1500,
      accessLogFile: '/dev/stdout',
    });
  });

  it('reads defaultConfig, warns of what means nothing in it, and refuses what is no value', () => {
    const { config, problems } = parseMeshConfig(
      'enablePrometheusMerge: false\ndefaultConfig:\n  concurrency: 4\n  terminationDrainDuration: 20s\n  hold_application_until_proxy_starts: true\n' +
        '  proxyMetadata: { ISTIO_META_DNS_CAPTURE: true }\n  tracing: { sampling: 1 }\n  concurency: 1\n',
    );
    expect(config.enablePrometheusMerge).toBe(false);
    expect(config.defaultConfig).toEqual({
      concurrency: 4,
      terminationDrainDurationMs: 20_000,
      holdApplicationUntilProxyStarts: true,
      proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' },
    });
    expect(problems.map(({ severity, message }) => `${severity} ${message}`)).toEqual([
      'warning defaultConfig.tracing means nothing to Weft and is ignored',
      'warning defaultConfig.concurency means nothing to Weft and is ignored',
    ]);
    expect(parseMeshConfig('defaultConfig: { concurrency: -1, statusPort: many }').problems[0]!.message).toBe(
      'defaultConfig.concurrency: expected a whole number from 0 to 1024, found -1; statusPort: expected a whole number from 0 to 65535, found "many"',
    );
  });

  it('reads discoverySelectors, and says all that is wrong with them', () => {
    const { config, problems } = parseMeshConfig(
      'discoverySelectors:\n- matchLabels: { mesh: on }\n- matchExpressions: [{ key: team, operator: In, values: [a] }]\n',
    );
    expect(problems).toEqual([]);
    expect(config.discoverySelectors).toEqual([
      { matchLabels: { mesh: 'on' } },
      { matchExpressions: [{ key: 'team', operator: 'In', values: ['a'] }] },
    ]);
    expect(parseMeshConfig('discoverySelectors:\n- { matchLabels: { a: 1 } }\n- all\n').problems).toEqual([
      {
        severity: 'error',
        line: 2,
        column: 1,
        message:
          'discoverySelectors[0].matchLabels.a: expected a string, found 1; put it in quotes; ' +
          '[1]: expected a map of matchLabels and matchExpressions, found "all"',
      },
    ]);
  });

  it('warns of keys that mean nothing to Weft, at their place', () => {
    expect(parseMeshConfig('rootNamespace: mesh\nenableTracing: true\n').problems).toEqual([
      { severity: 'warning', line: 2, column: 16, message: 'enableTracing means nothing to Weft and is ignored' },
    ]);
  });

  it.each([
    ['connectTimeout: soon', 'connectTimeout: expected a duration such as 10s, found "soon"'],
    ['outboundTrafficPolicy: { mode: SOME }', 'outboundTrafficPolicy: expected a map with a mode of ALLOW_ANY or REGISTRY_ONLY'],
    ['outboundTrafficPolicy: REGISTRY_ONLY', 'outboundTrafficPolicy: expected a map with a mode of ALLOW_ANY or REGISTRY_ONLY'],
    ['connectTimeout: 0s', 'connectTimeout: must be at least 1 ms, found "0s"'],
    ['automaticAddresses: nonsense', 'automaticAddresses: expected a map with ipv4 and ipv6'],
    [
      '{ accessLogEncoding: JSON, accessLogFormat: "%PROTOCOL%" }',
      expect.stringContaining('accessLogFormat: with accessLogEncoding JSON'),
    ],
    [
      'automaticAddresses: { ipv4: 10.0.0.0 }',
      'automaticAddresses: expected ipv4 and ipv6 as CIDRs, or empty for none; found "10.0.0.0"',
    ],
    ['discoverySelectors: { mesh: on }', 'discoverySelectors: expected a list of label selectors'],
    ['rootNamespace: 7', 'rootNamespace: expected a namespace'],
    ['accessLogEncoding: XML', 'accessLogEncoding: expected TEXT or JSON'],
    ['- a list', 'expected a map of MeshConfig fields'],
  ])('%s', (text, message) => {
    expect(parseMeshConfig(text).problems).toMatchObject([{ severity: 'error', line: 1, message }]);
  });

  it('an empty file is the defaults; a broken one an error', () => {
    expect(parseMeshConfig('')).toEqual({ config: defaultMeshConfig, problems: [] });
    expect(parseMeshConfig('a: [').problems[0]?.message).toMatch(/^YAML: /);
  });
});
