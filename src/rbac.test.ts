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

it('no rule has a wildcard', () => {
  const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
  expect(words.filter((word) => word.includes('*'))).toEqual([]);
});

it('of secrets, only the operator’s own can be read or changed', () => {
  const ofSecrets = ({ resources }: (typeof rules)[number]) => resources.includes('secrets');
  expect(permissions.cluster.filter(ofSecrets)).toEqual([]);
  const unnamed = permissions.namespace.filter(ofSecrets).filter(({ resourceNames }) => !resourceNames);
  expect(unnamed.flatMap(({ verbs }) => verbs)).toEqual(['create']);
});

it('what others have in every namespace is only written by its name', () => {
  const writes = permissions.cluster.filter(
    ({ verbs, apiGroups }) => verbs.some((verb) => verb !== 'list' && verb !== 'watch') && apiGroups.includes(''),
  );
  expect(writes.filter(({ resourceNames, verbs }) => !resourceNames && !verbs.every((verb) => verb === 'get'))).toEqual([]);
});

it('nothing is allowed twice', () => {
  const granted = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}.${group}`))),
  );
  expect(granted.toSorted()).toEqual([...new Set(granted)].toSorted());
});
