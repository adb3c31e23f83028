import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { checkImports } from './check-imports.ts';

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
});

function sourceFolder(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'weft-imports-'));
  made.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

it('finds nothing where imports follow the way of a change', () => {
  const root = sourceFolder({
    'mesh/mesh.ts': `import { kind } from '../api/kind.ts';\nimport fs from 'node:fs';`,
    'api/kind.ts': `export const kind = 1;`,
    'xds/server.test.ts': `import '../cli/main.ts';`,
  });
  expect(checkImports(root)).toEqual([]);
});

it('tells where an import goes against it', () => {
  const root = sourceFolder({ 'mesh/mesh.ts': `// why\nimport type { Ledger } from '../xds/ledger.ts';` });
  expect(checkImports(root)).toEqual(['src/mesh/mesh.ts:2: may not import src/xds/ledger.ts: src/mesh imports only src/api']);
});

it('follows imports of types round a circle', () => {
  const root = sourceFolder({
    'mesh/a.ts': `import { b } from './b.ts';`,
    'mesh/b.ts': `import type { A } from './a.ts';`,
  });
  expect(checkImports(root)).toEqual([
    'src/mesh/a.ts: imports itself by way of others: src/mesh/a.ts → src/mesh/b.ts → src/mesh/a.ts',
  ]);
});
