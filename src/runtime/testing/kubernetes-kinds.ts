import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import type { CustomResourceDefinition } from '../testenv/crds.ts';
import { widgetKind } from './objects.ts';

export interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
}

export const configMapKind: ResourceKind<ConfigMap> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'ConfigMap',
  plural: 'configmaps',
  scope: 'Namespaced',
};

export const namespaceKind: ResourceKind = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Namespace',
  plural: 'namespaces',
  scope: 'Cluster',
};

/** The CRD of `widgetKind`, with a status subresource and `spec.value` as a string. */
export const widgetCrd: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: widgetKind.kind, listKind: 'WidgetList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', properties: { value: { type: 'string' } } },
              status: { type: 'object', properties: { seen: { type: 'string' } } },
            },
          },
        },
      },
    ],
  },
};
