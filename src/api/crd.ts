import type { TSchema } from 'typebox';
import type { MeshKind, PrinterColumn } from './kind.ts';

/** A node of a CRD's schema: OpenAPI v3 as far as Kubernetes allows it. */
export type StructuralSchema = Record<string, unknown>;

// Columns of every mesh kind; kubectl prints the names in capitals. STATUS of propagation first, age last, as in kubectl's own kinds.
const statusColumns: readonly PrinterColumn[] = [
  {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].status',
    description: 'Whether every affected proxy has acknowledged this generation.',
  },
  {
    name: 'Reason',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    description: 'Why it is ready or not.',
  },
  {
    name: 'Proxies',
    type: 'string',
    jsonPath: '.status.propagation.summary',
    description: 'How many proxies have acknowledged it.',
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'How long ago the object was created.' },
];

/** The CustomResourceDefinition of a mesh kind, as a plain value ready to be written as YAML. */
export function customResourceDefinition(kind: MeshKind): Record<string, unknown> {
  const names: Record<string, unknown> = {
    kind: kind.kind,
    listKind: `${kind.kind}List`,
    plural: kind.plural,
    singular: kind.kind.toLowerCase(),
    categories: ['istio-io', 'networking-istio-io'],
  };
  if (kind.shortNames.length > 0) names.shortNames = [...kind.shortNames];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${kind.plural}.${kind.group}`,
      // A chart that is removed must not take everyone's objects with it.
      annotations: { 'helm.sh/resource-policy': 'keep' },
      labels: { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/part-of': 'weft' },
    },
    spec: {
      group: kind.group,
      names,
      scope: kind.scope,
      versions: kind.crdVersions.map((name) => ({
        name,
        served: true,
        storage: name === kind.version,
        subresources: { status: {} },
        // Without a priority, which is 0: the API server drops a 0, and a GitOps tool would see that as drift.
        additionalPrinterColumns: [...kind.columns, ...statusColumns],
        schema: { openAPIV3Schema: objectSchema(kind) },
      })),
    },
  };
}

function objectSchema(kind: MeshKind): StructuralSchema {
  const spec = structuralSchema(kind.specSchema);
  return {
    type: 'object',
    description: spec.description,
    required: ['spec'],
    properties: { spec, status: structuralSchema(kind.statusSchema) },
  };
}

const copied = ['type', 'format', 'description', 'nullable', 'enum', 'pattern'];
const limits = ['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'maxProperties'];

/**
 * A TypeBox schema as Kubernetes takes it: only the keywords of a structural schema, `additionalProperties` only on maps, and
 * what sits under `crd` merged in. Unknown fields are pruned by the API server, so nothing has to forbid them.
 */
export function structuralSchema(schema: TSchema): StructuralSchema {
  const node = schema as Record<string, unknown>;
  const result: StructuralSchema = {};
  for (const keyword of [...copied, ...limits]) {
    if (node[keyword] !== undefined) result[keyword] = node[keyword];
  }
  const { properties, required, items, additionalProperties, crd } = node as {
    properties?: Record<string, TSchema>;
    required?: readonly string[];
    items?: TSchema;
    additionalProperties?: false | TSchema;
    crd?: StructuralSchema;
  };
  if (required && required.length > 0) result.required = [...required];
  if (properties)
    result.properties = Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, structuralSchema(child)]));
  if (additionalProperties) result.additionalProperties = structuralSchema(additionalProperties);
  if (items) result.items = structuralSchema(items);
  return Object.assign(result, crd);
}
