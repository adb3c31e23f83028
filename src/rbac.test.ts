import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { rbacFile, rbacYaml } from '../scripts/generate-rbac.ts';
import { permissions, rbacManifests } from './rbac.ts';

const rules = [...permissions.cluster, ...permissions.namespace];

it('docs/reference/rbac.yaml is what the rules give', () => {
  expect(readFileSync(rbacFile, 'utf8'), 'run: node scripts/generate-rbac.ts').toBe(rbacYaml());
});

it('the manifest holds the same objects with its comments', () => {
  const documents = parseAllDocuments(rbacYaml()).map((document) => document.toJS());
  expect(documents).toEqual(rbacManifests({ name: 'weft', namespace: 'weft-system' }));
});

it('no rule has a wildcard, or reads secrets', () => {
  const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
  expect(words.filter((word) => word.includes('*') || word === 'secrets')).toEqual([]);
});

it('nothing is allowed twice', () => {
  const granted = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}.${group}`))),
  );
  expect(granted.toSorted()).toEqual([...new Set(granted)].toSorted());
});
