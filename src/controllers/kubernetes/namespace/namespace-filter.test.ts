import { beforeEach, describe, expect, it } from 'vitest';
import { namespaceKind } from '../../../api/kubernetes/namespace.ts';
import { Mesh } from '../../../mesh/mesh.ts';
import { defaultMeshConfig, type MeshConfig } from '../../../mesh/mesh-config.ts';
import { ObjectStore } from '../../../runtime/cache/object-store.ts';
import { type NamespaceChange, NamespaceFilter } from './namespace-filter.ts';

const named = (name: string, labels: Record<string, string> = {}) => namespaceKind.slim({ metadata: { name, labels } });
const selecting: MeshConfig = {
  ...defaultMeshConfig,
  discoverySelectors: [{ matchLabels: { mesh: 'on' } }, { matchLabels: { team: 'a' } }],
};

let store: ObjectStore<ReturnType<typeof named>>;
let mesh: Mesh;
let filter: NamespaceFilter;
let changes: (readonly [names: string[], isSelectorChange: boolean])[];

function start(config: MeshConfig): void {
  store = new ObjectStore(namespaceKind);
  mesh = new Mesh(config);
  filter = new NamespaceFilter(store, mesh);
  changes = [];
  filter.onChange(({ namespaces, isSelectorChange }: NamespaceChange) => changes.push([[...namespaces], isSelectorChange]));
}

const included = (...names: string[]) => names.filter((name) => filter.includes(name));

describe('without selectors', () => {
  beforeEach(() => start(defaultMeshConfig));

  it('every namespace takes part, known or not, and none comes or goes', () => {
    store.replace([named('shop')]);
    store.apply(named('other', { mesh: 'off' }));
    store.delete('other');
    expect(included('shop', 'other', 'unknown', '')).toEqual(['shop', 'other', 'unknown', '']);
    expect(changes).toEqual([]);
  });
});

describe('with selectors', () => {
  beforeEach(() => start(selecting));

  it('those take part that one of them matches, and cluster-scoped objects', () => {
    store.replace([named('on', { mesh: 'on' }), named('team', { team: 'a', mesh: 'off' }), named('off', { mesh: 'off' })]);
    expect(included('on', 'team', 'off', 'unknown', '')).toEqual(['on', 'team', '']);
  });

  it('follows labels, creates and deletes', () => {
    store.replace([named('a', { mesh: 'on' }), named('b')]);
    changes.length = 0;
    store.apply(named('b', { mesh: 'on' }));
    store.apply(named('b', { mesh: 'on', more: 'labels' }));
    store.apply(named('a'));
    store.apply(named('c', { team: 'a' }));
    store.apply(named('d'));
    store.delete('b');
    store.delete('d');
    expect(changes).toEqual([
      [['b'], false],
      [['a'], false],
      [['c'], false],
      [['b'], false],
    ]);
    expect(included('a', 'b', 'c', 'd')).toEqual(['c']);
  });

  it('holds nothing back before it knows the namespaces, and then tells which do not take part', async () => {
    store.apply(named('b'));
    expect(included('a', 'b')).toEqual(['a', 'b']);
    expect(changes).toEqual([]);
    store.replace([named('a', { mesh: 'on' }), named('b')]);
    expect(included('a', 'b')).toEqual(['a']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(changes).toEqual([[['b'], false]]);
  });

  it('follows the mesh config', () => {
    store.replace([named('a', { mesh: 'on' }), named('b', { team: 'a' })]);
    mesh.setConfig({ ...selecting, discoverySelectors: [{ matchLabels: { team: 'a' } }] });
    mesh.setConfig({ ...mesh.config, accessLogFile: '/dev/stdout' });
    expect(included('a', 'b', 'unknown')).toEqual(['b']);
    mesh.setConfig(defaultMeshConfig);
    expect(included('a', 'b', 'unknown')).toEqual(['a', 'b', 'unknown']);
    expect(changes).toEqual([
      [['a'], true],
      [['a'], true],
    ]);
  });

  it('follows nothing once it is closed', () => {
    store.replace([named('a')]);
    filter.close();
    store.apply(named('a', { mesh: 'on' }));
    expect(filter.includes('a')).toBe(false);
  });
});
