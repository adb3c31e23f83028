// Writes crds/*.yaml from the schemas in src/api. With --check it writes nothing and exits 1 if a file is not up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stringify } from 'yaml';
import { customResourceDefinition } from '../src/api/crd.ts';
import { meshKinds } from '../src/api/index.ts';
import type { MeshKind } from '../src/api/kind.ts';

const root = join(import.meta.dirname, '..');

/** The YAML text of a kind's CRD. */
export function crdYaml(kind: MeshKind): string {
  const header = '# Generated from src/api by scripts/generate-crds.ts; do not edit.\n';
  return header + stringify(customResourceDefinition(kind), { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The file of a kind's CRD: `crds/<group>_<plural>.yaml`. */
export function crdFile(kind: MeshKind): string {
  return join(root, 'crds', `${kind.group}_${kind.plural}.yaml`);
}

/** The kinds whose file is missing or differs from what their schema gives. */
export function staleKinds(kinds: readonly MeshKind[] = meshKinds): MeshKind[] {
  return kinds.filter((kind) => !existsSync(crdFile(kind)) || readFileSync(crdFile(kind), 'utf8') !== crdYaml(kind));
}

if (process.argv[1] === import.meta.filename) {
  const stale = staleKinds();
  const names = stale.map((kind) => relative(root, crdFile(kind))).join(', ');
  if (!process.argv.includes('--check')) {
    for (const kind of stale) writeFileSync(crdFile(kind), crdYaml(kind));
    console.log(stale.length > 0 ? `wrote ${names}` : 'every CRD is up to date');
  } else if (stale.length > 0) {
    console.error(`not up to date with src/api: ${names}; run: node scripts/generate-crds.ts`);
    process.exitCode = 1;
  }
}
