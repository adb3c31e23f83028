import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { resourceToJson } from '../../envoy/registry.ts';
import type { Resource, ResourceReference } from '../../envoy/resource.ts';
import { addedResources } from './added-resources.ts';
import type { PatchOutcome } from './patch-outcome.ts';
import { patchResource } from './patch-resource.ts';
import { selectFilters } from './testing/compile-filters.ts';
import { diffJson } from './testing/diff-json.ts';
import { type PatchCase, readCases, resourcesOf } from './testing/read-cases.ts';

/** `UPDATE_GOLDEN=1` rewrites every expectation: what the patches change, by path, and which of them found nothing. */
const isUpdate = process.env.UPDATE_GOLDEN === '1';

describe('patches', () => {
  for (const patchCase of readCases()) {
    it(patchCase.name, async () => {
      const { expected } = patchCase;
      const actual = await explain(patchCase);
      if (isUpdate || !existsSync(expected)) {
        if (process.env.CI && !isUpdate) throw new Error(`${expected} is missing`);
        writeFileSync(expected, actual);
      }
      expect(actual).toBe(readFileSync(expected, 'utf8'));
    });
  }
});

async function explain(patchCase: PatchCase): Promise<string> {
  const { node } = patchCase;
  const filters = selectFilters(patchCase.filters, node.namespace, node.labels);
  const resources = await resourcesOf(patchCase);
  const outcomes = resources.map((base) => ({ base, ...patchResource(base, filters) }));
  const added = addedResources(filters, isOneOf(resources));
  return render(
    filters.flatMap(({ filter, patches }) => patches.map(({ index }) => `${filter.key}#${index}`)),
    outcomes,
    added,
  );
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
