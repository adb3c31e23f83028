import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { resourceToJson } from '../../envoy/registry.ts';
import { pushOrder, type Resource, type ResourceReference } from '../../envoy/resource.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import { parseObjects, proxyNode, startTestMesh } from '../../testing/load-mesh.ts';
import { MeshClasses } from '../../xds/mesh-classes.ts';
import { addedResources } from './added-resources.ts';
import { type PatchOutcome, patchResource } from './patch-resource.ts';
import { selectFilters } from './testing/compile-filters.ts';
import { diffJson } from './testing/diff-json.ts';

/** `UPDATE_GOLDEN=1` rewrites every expectation: what each patch changes, by path, and which patches found nothing. */
const isUpdate = process.env.UPDATE_GOLDEN === '1';
const directory = join(import.meta.dirname, 'testdata');

interface Header {
  /** Which proxy asks. */
  readonly proxy?: Partial<ProxyNode>;
  /** The objects of testdata/worlds that it sees, besides those of the case. */
  readonly world: string;
}

describe('patches', () => {
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), async () => {
      const text = readFileSync(join(directory, file), 'utf8');
      const header = (parseAllDocuments(text)[0]!.toJS() ?? {}) as Header;
      const world = readFileSync(join(directory, 'worlds', `${header.world}.yaml`), 'utf8');
      const actual = await explain(header, [world, ...text.split('\n---\n').slice(1)].join('\n---\n'));
      const expected = join(directory, file.replace('.in.yaml', '.out.yaml'));
      if (isUpdate || !existsSync(expected)) {
        if (process.env.CI && !isUpdate) throw new Error(`${expected} is missing`);
        writeFileSync(expected, actual);
      }
      expect(actual).toBe(readFileSync(expected, 'utf8'));
    });
  }
});

async function explain({ proxy }: Header, text: string): Promise<string> {
  const objects = parseObjects(text);
  const isFilter = ({ kind }: { kind: string }) => kind === 'EnvoyFilter';
  const node = proxyNode(proxy);
  const filters = selectFilters(objects.filter(isFilter), node.namespace, node.labels);
  const test = await startTestMesh();
  try {
    await test.apply(...objects.filter((object) => !isFilter(object)));
    const proxyClass = new MeshClasses(test.mesh).join(node);
    const resources = pushOrder.flatMap((typeUrl) => [...proxyClass.table(typeUrl).values()]);
    const outcomes = resources.map((base) => ({ base, ...patchResource(base, filters) }));
    const added = addedResources(filters, isOneOf(resources));
    return render(
      filters.flatMap(({ filter, patches }) => patches.map(({ index }) => `${filter.key}#${index}`)),
      outcomes,
      added,
    );
  } finally {
    await test.stop();
  }
}

function isOneOf(resources: readonly Resource[]): (reference: ResourceReference) => boolean {
  return ({ typeUrl, name }) => resources.some((resource) => resource.typeUrl === typeUrl && resource.name === name);
}

function render(
  patches: readonly string[],
  outcomes: readonly (PatchOutcome & { readonly base: Resource })[],
  added: ReturnType<typeof addedResources>,
): string {
  const matched = new Set([...outcomes, added].flatMap((outcome) => outcome.matched.map(nameOf)));
  const failed = [...outcomes, added].flatMap((outcome) => outcome.failed);
  const changed: Record<string, unknown> = {};
  for (const { base, resource } of outcomes) {
    if (resource === undefined) changed[idOf(base)] = 'removed';
    else if (resource !== base) {
      const references = (of: Resource) => of.requires.map(idOf).sort();
      changed[idOf(base)] = [
        ...diffJson([...base.provenance], [...resource.provenance], 'from'),
        ...diffJson(references(base), references(resource), 'requires'),
        ...diffJson(resourceToJson(base), resourceToJson(resource)),
      ];
    }
  }
  for (const resource of added.resources) {
    const requires = resource.requires.length ? { requires: resource.requires.map(idOf) } : {};
    changed[idOf(resource)] = { from: [...resource.provenance], ...requires, added: resourceToJson(resource) };
  }
  const unmatched = patches.filter((patch) => !matched.has(patch));
  const failures = [...new Set(failed.map((patch) => `${nameOf(patch)}: ${(patch.error as Error).message}`))];
  return stringify(
    {
      ...(unmatched.length ? { 'found nothing': unmatched } : {}),
      ...(failures.length ? { failed: failures } : {}),
      ...Object.fromEntries(Object.entries(changed).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

function nameOf({ object, index }: { readonly object: string; readonly index: number }): string {
  return `${object}#${index}`;
}

function idOf({ typeUrl, name }: ResourceReference): string {
  return `${typeUrl.slice(typeUrl.lastIndexOf('.') + 1)}/${name}`;
}
