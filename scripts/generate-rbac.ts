// Writes docs/reference/rbac.yaml from src/rbac.ts. With --check it writes nothing and exits 1 if the file is not up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { permissions, rbacManifests } from '../src/rbac.ts';

/** The generated manifest. */
export const rbacFile = join(import.meta.dirname, '../docs/reference/rbac.yaml');

/** The manifest's text, with each rule's reason in front of it. */
export function rbacYaml(): string {
  const reasons = [permissions.cluster, permissions.namespace];
  const documents = rbacManifests({ name: 'weft', namespace: 'weft-system' }).map((manifest) => {
    const { rules, ...head } = manifest as { rules?: object[] };
    if (!rules) return write(manifest);
    const told = reasons.shift()!;
    const items = rules.map((rule, index) => `# ${told[index]!.reason}\n${write([rule])}`);
    return `${write(head)}rules:\n${items.join('').replaceAll(/^/gm, '  ').trimEnd()}\n`;
  });
  return `# Generated from src/rbac.ts by scripts/generate-rbac.ts; do not edit.\n${documents.join('---\n')}`;
}

function write(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

if (import.meta.main) {
  const isStale = !existsSync(rbacFile) || readFileSync(rbacFile, 'utf8') !== rbacYaml();
  if (!process.argv.includes('--check')) {
    if (isStale) writeFileSync(rbacFile, rbacYaml());
    console.log(isStale ? 'wrote docs/reference/rbac.yaml' : 'the RBAC manifest is up to date');
  } else if (isStale) {
    console.error('docs/reference/rbac.yaml is not up to date with src/rbac.ts; run: node scripts/generate-rbac.ts');
    process.exitCode = 1;
  }
}
