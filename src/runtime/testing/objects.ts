import type { KubernetesObject, ObjectMeta } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';

/** A kind with nothing to it, for tests of the runtime. */
export interface Widget extends KubernetesObject {
  spec: { value: string };
}

export const widgetKind: ResourceKind<Widget> = {
  group: 'example.com',
  version: 'v1',
  servedVersions: ['v1', 'v1beta1'],
  kind: 'Widget',
  plural: 'widgets',
  scope: 'Namespaced',
};

/** A widget named `namespace/name`. */
export function widget(key: string, value = '', metadata: Partial<ObjectMeta> = {}): Widget {
  const [namespace, name] = key.split('/') as [string, string];
  return { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name, namespace, ...metadata }, spec: { value } };
}
