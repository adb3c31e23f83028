import { describe, expect, it } from 'vitest';
import { crdFile, staleKinds } from '../../scripts/generate-crds.ts';
import { customResourceDefinition, type StructuralSchema } from './crd.ts';
import { envoyFilterKind, type MeshKind, meshKinds, serviceEntryKind, workloadEntryKind } from './index.ts';

interface Version {
  name: string;
  served: boolean;
  storage: boolean;
  subresources: object;
  additionalPrinterColumns: { name: string }[];
  schema: { openAPIV3Schema: StructuralSchema };
}

const versionsOf = (kind: MeshKind) => (customResourceDefinition(kind).spec as { versions: Version[] }).versions;
const schemaOf = (kind: MeshKind) => versionsOf(kind)[0]!.schema.openAPIV3Schema;

const allowed = new Set([
  ...[
    'type',
    'format',
    'description',
    'nullable',
    'enum',
    'pattern',
    'default',
    'required',
    'properties',
    'additionalProperties',
    'items',
  ],
  ...['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'maxProperties', 'oneOf'],
  ...['x-kubernetes-validations', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-preserve-unknown-fields'],
]);

/** What Kubernetes demands of a structural schema (kubernetes.io, "Specifying a structural schema"), one line per violation. */
function violations(node: StructuralSchema, path: string): string[] {
  const found: string[] = [];
  const properties = (node.properties ?? {}) as Record<string, StructuralSchema>;
  for (const keyword of Object.keys(node)) if (!allowed.has(keyword)) found.push(`${path}: ${keyword} is not allowed`);
  if (typeof node.type !== 'string') found.push(`${path}: has no type`);
  if (node.properties && node.additionalProperties) found.push(`${path}: properties exclude additionalProperties`);
  if (node.type === 'array' && !node.items) found.push(`${path}: a list needs items`);
  if (node.type === 'object' && !node.properties && !node.additionalProperties && !node['x-kubernetes-preserve-unknown-fields']) {
    found.push(`${path}: a map without fields would be pruned empty`);
  }
  for (const name of (node.required ?? []) as string[])
    if (!properties[name]) found.push(`${path}: required ${name} is no property`);
  if (/"(type|properties|items|description|default|nullable|additionalProperties)":/.test(JSON.stringify(node.oneOf ?? []))) {
    found.push(`${path}: oneOf must not describe structure`);
  }
  for (const key of (node['x-kubernetes-list-map-keys'] ?? []) as string[]) {
    const item = node.items as { required?: string[]; properties?: Record<string, unknown> };
    if (!item.required?.includes(key) || !item.properties?.[key])
      found.push(`${path}: list key ${key} is not a required field of the items`);
  }
  for (const [name, child] of Object.entries(properties)) found.push(...violations(child, `${path}.${name}`));
  if (node.items) found.push(...violations(node.items as StructuralSchema, `${path}[]`));
  if (node.additionalProperties) found.push(...violations(node.additionalProperties as StructuralSchema, `${path}{}`));
  return found;
}

describe.each(meshKinds.map((kind) => [kind.kind, kind] as const))('the CRD of %s', (_, kind) => {
  it('is what crds/ holds', () => {
    expect(staleKinds([kind]), `${crdFile(kind)} is stale; run: node scripts/generate-crds.ts`).toEqual([]);
  });

  it('is a structural schema', () => {
    expect(violations(schemaOf(kind), kind.kind)).toEqual([]);
  });

  it('describes every field', () => {
    const undescribed = (node: StructuralSchema, path: string): string[] =>
      Object.entries((node.properties ?? {}) as Record<string, StructuralSchema>).flatMap(([name, child]) => [
        ...(child.description ? [] : [`${path}.${name}`]),
        ...undescribed((child.items ?? child) as StructuralSchema, `${path}.${name}`),
      ]);
    expect(undescribed(schemaOf(kind), kind.kind)).toEqual([]);
  });

  it('stores one version, serves all, has a status subresource and the columns of the mesh', () => {
    const versions = versionsOf(kind);
    expect(versions.filter((version) => version.storage).map((version) => version.name)).toEqual([kind.version]);
    for (const version of versions) {
      expect(version).toMatchObject({ served: true, subresources: { status: {} } });
      expect(version.additionalPrinterColumns.map((column) => column.name).slice(-4)).toEqual([
        'Ready',
        'Reason',
        'Proxies',
        'Age',
      ]);
    }
  });

  it('reads as not observed before there is a status', () => {
    expect(schemaOf(kind)).toMatchObject({ required: ['spec'], properties: { status: { default: { observedGeneration: -1 } } } });
  });
});

describe('the CRDs', () => {
  it('are named, served and listed as Istio does it', () => {
    const facts = meshKinds.map((kind) => {
      const { metadata, spec } = customResourceDefinition(kind) as {
        metadata: { name: string };
        spec: { names: { shortNames?: string[]; categories: string[] } };
      };
      return [
        metadata.name,
        versionsOf(kind)
          .map((version) => version.name)
          .join(),
        spec.names.shortNames?.join(),
        spec.names.categories.join(),
      ];
    });
    expect(facts).toEqual([
      ['serviceentries.networking.istio.io', 'v1,v1beta1,v1alpha3', 'se', 'istio-io,networking-istio-io'],
      ['sidecars.networking.istio.io', 'v1,v1beta1,v1alpha3', undefined, 'istio-io,networking-istio-io'],
      ['envoyfilters.networking.istio.io', 'v1alpha3', undefined, 'istio-io,networking-istio-io'],
      ['workloadentries.networking.istio.io', 'v1,v1beta1,v1alpha3', 'we', 'istio-io,networking-istio-io'],
    ]);
  });

  it('show what is particular to a kind', () => {
    const columns = (kind: MeshKind) =>
      versionsOf(kind)[0]!
        .additionalPrinterColumns.map((column) => column.name)
        .slice(0, -4);
    expect(columns(serviceEntryKind)).toEqual(['Hosts', 'Location', 'Resolution']);
    expect(columns(workloadEntryKind)).toEqual(['Address']);
  });

  it('keep the value of an EnvoyFilter patch as it is', () => {
    const text = JSON.stringify(schemaOf(envoyFilterKind));
    expect(text).toContain('"value":{"type":"object"');
    expect(text.match(/"x-kubernetes-preserve-unknown-fields":true/g)).toHaveLength(2);
  });
});
