import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** What the runtime does not know, so that any operator can be written with it. */
const meshWords = /\b(istio|envoy|mesh|side-?cars?|service-?entry|serviceentries|xds)\b/i;

it('the runtime has no word of a mesh in it', async () => {
  const said: string[] = [];
  let files = 0;
  for await (const file of glob('**/*.ts', { cwd: import.meta.dirname })) {
    if (file === 'words.test.ts') continue;
    files++;
    const lines = (await readFile(join(import.meta.dirname, file), 'utf8')).split('\n');
    for (const [index, line] of lines.entries()) if (meshWords.test(line)) said.push(`${file}:${index + 1}: ${line.trim()}`);
  }
  expect(files).toBeGreaterThan(50);
  expect(said).toEqual([]);
});
