import { describe, expect, it } from 'vitest';
import type { EnvoyFilter } from '../../api/envoy-filter/schema.ts';
import { compileEnvoyFilter } from './compile.ts';

function compile(spec: unknown, metadata: object = {}, status?: unknown) {
  const object = {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: {
      namespace: 'shop',
      name: 'tune',
      uid: 'u',
      generation: 3,
      creationTimestamp: '2026-01-01T00:00:01Z',
      ...metadata,
    },
    spec,
    ...(status ? { status } : {}),
  };
  const compiled = compileEnvoyFilter(object as EnvoyFilter);
  if (compiled.outcome !== 'accepted' || compiled.fragment.kind !== 'envoyFilter') throw new Error('not accepted');
  return compiled.fragment.envoyFilter;
}

const remove = (applyTo: string, match: object = {}) => ({ applyTo, match, patch: { operation: 'REMOVE' } });

describe('compileEnvoyFilter', () => {
  it('takes defaults for what is not said', () => {
    expect(
      compile({ configPatches: [{ applyTo: 'CLUSTER', patch: { operation: 'REMOVE', value: { name: 'unread' } } }] }),
    ).toMatchObject({
      key: 'EnvoyFilter/shop/tune',
      generation: 3,
      createdAtMs: Date.parse('2026-01-01T00:00:01Z'),
      priority: 0,
      hasTargetRefs: false,
      patches: [{ index: 0, applyTo: 'CLUSTER', operation: 'REMOVE', filterClass: 'UNSPECIFIED', context: 'ANY' }],
    });
    const bare = compile({});
    expect(bare).not.toHaveProperty('workloadSelector');
    expect(bare).not.toHaveProperty('quarantine');
    expect(bare.patches).toEqual([]);
  });

  it('reads a selector, target references and priority', () => {
    expect(compile({ workloadSelector: { labels: { app: 'web' } }, priority: -5 })).toMatchObject({
      workloadSelector: { app: 'web' },
      priority: -5,
    });
    expect(compile({ workloadSelector: { labels: {} } })).not.toHaveProperty('workloadSelector');
    expect(compile({ targetRefs: [{ kind: 'Gateway', name: 'g' }] }).hasTargetRefs).toBe(true);
  });

  it('has another version with other content, also where a source counts from one again', () => {
    const one = compile({ priority: 1 });
    expect(compile({ priority: 1 }, { labels: { a: 'b' } }).version).toBe(one.version);
    for (const other of [
      compile({ priority: 2 }),
      compile({ priority: 1 }, { generation: 4 }),
      compile({ priority: 1 }, { uid: 'v' }),
    ]) {
      expect(other.version).not.toBe(one.version);
    }
    expect(compile({}, { uid: undefined, generation: undefined })).toMatchObject({
      generation: 0,
      version: expect.stringMatching(/^\/0\/./),
    });
  });

  it('compiles version patterns; one that is too long matches no proxy', () => {
    const patterns = ['^1\\.2[0-9]', 'x'.repeat(2000), ''].map((proxyVersion) => remove('CLUSTER', { proxy: { proxyVersion } }));
    const [first, long, none] = compile({ configPatches: patterns }).patches;
    expect(first?.proxyVersion?.test('1.24.0')).toBe(true);
    expect(long?.proxyVersion?.test('x'.repeat(2000))).toBe(false);
    expect(none).not.toHaveProperty('proxyVersion');
    const metadata = { A: 'b' };
    expect(compile({ configPatches: [remove('CLUSTER', { proxy: { metadata } })] }).patches[0]).toMatchObject({ metadata });
  });

  it('takes insertion for adding where nothing is in an order', () => {
    const insert = (applyTo: string, operation: string) => ({ applyTo, patch: { operation, value: { name: 'x' } } });
    const { patches } = compile({
      configPatches: [
        insert('CLUSTER', 'INSERT_BEFORE'),
        insert('VIRTUAL_HOST', 'INSERT_FIRST'),
        insert('HTTP_ROUTE', 'INSERT_FIRST'),
        insert('LISTENER_FILTER', 'INSERT_AFTER'),
      ],
    });
    expect(patches.map(({ operation }) => operation)).toEqual(['ADD', 'ADD', 'INSERT_FIRST', 'INSERT_AFTER']);
  });

  it('knows of a quarantine of this very generation', () => {
    const conditions = [
      { type: 'Programmed', status: 'False', reason: 'Quarantined', message: 'no such cluster', observedGeneration: 3 },
    ];
    expect(compile({}, {}, { conditions })).toMatchObject({ quarantine: 'no such cluster' });
    expect(compile({}, { generation: 4 }, { conditions })).not.toHaveProperty('quarantine');
  });
});
