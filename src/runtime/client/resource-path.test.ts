import { describe, expect, it } from 'vitest';
import { configMapKind, namespaceKind } from '../testing/kubernetes-kinds.ts';
import { widgetKind } from '../testing/objects.ts';
import { objectPath, resourcePath } from './resource-path.ts';

describe('paths', () => {
  it('have the group, the namespace and the subresource where there are any', () => {
    expect(resourcePath(configMapKind)).toBe('/api/v1/configmaps');
    expect(resourcePath(widgetKind, 'n')).toBe('/apis/example.com/v1/namespaces/n/widgets');
    expect(resourcePath(namespaceKind, '')).toBe('/api/v1/namespaces');
    expect(objectPath(widgetKind, 'n/w', 'status')).toBe('/apis/example.com/v1/namespaces/n/widgets/w/status');
    expect(objectPath(namespaceKind, 'n')).toBe('/api/v1/namespaces/n');
  });

  it('refuse names that would lead somewhere else', () => {
    expect(() => objectPath(widgetKind, 'n/')).toThrow('Widget "n/": metadata.name is empty');
    expect(() => objectPath(widgetKind, 'w')).toThrow('this kind lies in a namespace: NAMESPACE/NAME');
    expect(() => objectPath(namespaceKind, 'a/b')).toThrow('this kind lies in no namespace: NAME alone');
    expect(objectPath(widgetKind, 'n/w/../x')).toBe('/apis/example.com/v1/namespaces/n/widgets/w%2F..%2Fx');
  });
});
