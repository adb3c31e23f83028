import { join } from 'node:path';
import { expect, it } from 'vitest';
import { formatDiagnostic } from './diagnostic.ts';
import { loadPaths } from './load-paths.ts';
import { entryOptions, entryText, joinDocuments } from './testing/service-entries.ts';
import { createTempDirectory, writeIn } from './testing/temp-directory.ts';

it('reads once what the source would watch: objects, problems by place, other kinds, files', async () => {
  const directory = createTempDirectory();
  const a = writeIn(directory, 'a.yaml', joinDocuments(entryText('a', '1'), 'x: [\n', 'apiVersion: v1\nkind: Pod\n'));
  const b = writeIn(directory, 'sub/b.yaml', entryText('a', '2'));
  const none = join(directory, 'none');
  const loaded = await loadPaths([directory, none, b], entryOptions);
  expect(loaded.objects.map((object) => object.metadata)).toMatchObject([{ name: 'a', generation: 1 }]);
  expect(loaded.diagnostics.map(formatDiagnostic)).toEqual([
    expect.stringMatching(new RegExp(`^${a}:10:1: error: YAML: `)),
    `${none}:1:1: error: does not exist`,
    `${b}:4:9: error: ServiceEntry ns/a: is defined already at ${a}:4; that one counts`,
  ]);
  expect(loaded.ignoredKinds).toEqual([{ apiVersion: 'v1', kind: 'Pod', file: a, line: 11 }]);
  expect(loaded.files).toEqual([a, b]);
});

it('refuses a file over the limit', async () => {
  const directory = createTempDirectory();
  writeIn(directory, 'a.yaml', entryText('a', '1'));
  const { objects, diagnostics } = await loadPaths([directory], { ...entryOptions, maxFileBytes: 10 });
  expect([objects.length, diagnostics.map((diagnostic) => diagnostic.message)]).toEqual([
    0,
    [expect.stringContaining('the limit is 10')],
  ]);
});
