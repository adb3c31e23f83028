import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Cache } from '../../runtime/cache/cache.ts';
import { objectName } from '../../runtime/object.ts';
import { formatDiagnostic } from './diagnostic.ts';
import { FileSource, type FileSourceOptions } from './file-source.ts';
import { entryKind, entryText, joinDocuments, validateEntry } from './testing/service-entries.ts';
import { createTempDirectory, replaceFile, writeIn } from './testing/temp-directory.ts';

const eventually = (assertion: () => void) => vi.waitFor(assertion, { timeout: 10_000, interval: 5 });

async function startSource(paths: string[], options: Partial<FileSourceOptions> = {}) {
  const cache = new Cache();
  const store = cache.store(entryKind);
  const events: string[] = [];
  store.subscribe((event) => {
    const object = event.type === 'update' ? event.objectNew : event.object;
    events.push(`${event.type} ${object.metadata.name}${event.type === 'delete' ? '' : `=${object.spec.value}`}`);
  });
  const stop = new AbortController();
  const source = new FileSource({ paths, cache, kinds: [entryKind], validate: validateEntry, ...options });
  const running = source.start(stop.signal);
  const end = async () => {
    stop.abort();
    await running;
  };
  onTestFinished(end);
  await Promise.race([running, cache.waitForSync(stop.signal)]);
  const values = () => Object.fromEntries(store.list().map((object) => [object.metadata.name, object.spec.value]));
  const problems = () =>
    source.diagnostics().map((diagnostic) => formatDiagnostic({ ...diagnostic, file: basename(diagnostic.file) }));
  return { source, store, events, values, problems, end };
}

describe('FileSource, what it reads', () => {
  it('files of every format in all directories, and nothing that editors and mounts leave', async () => {
    const directory = createTempDirectory();
    writeIn(directory, 'a.yaml', entryText('a', '1'));
    writeIn(directory, 'deep/er/b.yml', entryText('b', '1'));
    writeIn(
      directory,
      'c.json',
      JSON.stringify({
        apiVersion: 'networking.istio.io/v1',
        kind: 'ServiceEntry',
        metadata: { name: 'c' },
        spec: { value: '1' },
      }),
    );
    for (const name of [
      'README.md',
      'x.yaml~',
      '.hidden.yaml',
      '.git/x.yaml',
      '#x.yaml#',
      '.x.yaml.swp',
      '4913',
      'x.yaml.bak',
      '..2026/x.yaml',
    ]) {
      writeIn(directory, name, entryText('never', '1'));
    }
    const { values, store, problems } = await startSource([directory]);
    expect(values()).toEqual({ a: '1', b: '1', c: '1' });
    expect(store.list().map(objectName)).toContain('default/c');
    expect(problems()).toEqual([]);
  });

  it('single files, whatever they are called, and each file once where paths overlap', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'sub/entries.conf', entryText('a', '1'));
    writeIn(directory, 'sub/b.yaml', entryText('b', '1'));
    symlinkSync(join(directory, 'sub'), join(directory, 'again'));
    symlinkSync(directory, join(directory, 'sub', 'loop'));
    const { values, problems } = await startSource([join(directory, 'sub'), directory, file, `${directory}/`]);
    expect([values(), problems()]).toEqual([{ a: '1', b: '1' }, []]);
  });

  it('gives everything of the first list one time, and what comes later a later one', async () => {
    const directory = createTempDirectory();
    for (const name of ['c', 'a', 'b']) writeIn(directory, `${name}.yaml`, entryText(name, '1'));
    const { store } = await startSource([directory]);
    const times = new Set(store.list().map((object) => object.metadata.creationTimestamp));
    expect(times.size).toBe(1);
    writeIn(directory, '0.yaml', entryText('a0', '1'));
    await eventually(() => expect(store.get('ns/a0')).toBeDefined());
    expect(store.get('ns/a0')!.metadata.creationTimestamp! > [...times][0]!).toBe(true);
  });

  it('names each other kind once', async () => {
    const directory = createTempDirectory();
    const pod = 'apiVersion: v1\nkind: Pod\n';
    writeIn(
      directory,
      'a.yaml',
      joinDocuments(pod, pod, 'apiVersion: apps/v1\nkind: Deployment\n', 'apiVersion: apps/v2\nkind: Deployment\n'),
    );
    writeIn(directory, 'b.yaml', pod);
    const { source } = await startSource([directory]);
    expect(source.ignoredKinds().map(({ apiVersion, kind, file, line }) => [apiVersion, kind, basename(file), line])).toEqual([
      ['v1', 'Pod', 'a.yaml', 1],
      ['apps/v1', 'Deployment', 'a.yaml', 7],
    ]);
  });

  it('refuses to start on a path that does not exist', async () => {
    const directory = createTempDirectory();
    const source = new FileSource({
      paths: [join(directory, 'none')],
      cache: new Cache(),
      kinds: [entryKind],
      validate: validateEntry,
    });
    await expect(source.start(new AbortController().signal)).rejects.toThrow(/cannot read configuration from .*none: ENOENT/);
  });
});

describe('FileSource, changes', () => {
  it('follows files that are made, replaced, written in place, renamed and removed', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', entryText('a', '1'));
    const { events, end } = await startSource([directory]);
    await replaceFile(file, entryText('a', '2'));
    await eventually(() => expect(events.at(-1)).toBe('update a=2'));
    writeFileSync(file, joinDocuments(entryText('a', '3'), entryText('b', '1')));
    await eventually(() => expect(events.at(-1)).toBe('create b=1'));
    renameSync(file, join(directory, 'z.yaml'));
    writeIn(directory, 'new/deep/c.yaml', entryText('c', '1'));
    await eventually(() => expect(events.at(-1)).toBe('create c=1'));
    rmSync(join(directory, 'new'), { recursive: true });
    await eventually(() => expect(events.at(-1)).toBe('delete c'));
    unlinkSync(join(directory, 'z.yaml'));
    await eventually(() => expect(events.slice(-2).sort()).toEqual(['delete a', 'delete b']));
    expect(events).toHaveLength(8);
    await end();
  });

  it('sees a file in a directory that is moved in, and lets those of one that is moved out go', async () => {
    const directory = createTempDirectory();
    const elsewhere = createTempDirectory();
    writeIn(elsewhere, 'team/a.yaml', entryText('a', '1'));
    const { values } = await startSource([directory]);
    renameSync(join(elsewhere, 'team'), join(directory, 'team'));
    await eventually(() => expect(values()).toEqual({ a: '1' }));
    writeFileSync(join(directory, 'team/b.yaml'), entryText('b', '1'));
    await eventually(() => expect(values()).toEqual({ a: '1', b: '1' }));
    renameSync(join(directory, 'team'), join(elsewhere, 'team'));
    await eventually(() => expect(values()).toEqual({}));
  });

  it('follows the swap of a mounted ConfigMap in one step', async () => {
    const directory = createTempDirectory();
    const version = (name: string, files: Record<string, string>) => {
      for (const [file, text] of Object.entries(files)) writeIn(directory, `${name}/${file}`, text);
      symlinkSync(name, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    version('..2026_1', { 'a.yaml': entryText('a', '1'), 'b.yaml': entryText('b', '1') });
    for (const file of ['a.yaml', 'b.yaml']) symlinkSync(join('..data', file), join(directory, file));
    const { events, values, problems } = await startSource([directory]);
    expect(values()).toEqual({ a: '1', b: '1' });
    version('..2026_2', { 'a.yaml': entryText('a', '2'), 'c.yaml': entryText('c', '1') });
    symlinkSync('..data/c.yaml', join(directory, 'c.yaml'));
    unlinkSync(join(directory, 'b.yaml'));
    rmSync(join(directory, '..2026_1'), { recursive: true });
    await eventually(() => expect(values()).toEqual({ a: '2', c: '1' }));
    expect(events.slice(2).sort()).toEqual(['create c=1', 'delete b', 'update a=2']);
    expect(problems()).toEqual([]);
  });

  it('follows a link to a directory that is pointed elsewhere', async () => {
    const directory = createTempDirectory();
    writeIn(directory, 'r1/a.yaml', entryText('a', '1'));
    writeIn(directory, 'r1/b.yaml', entryText('b', '1'));
    writeIn(directory, 'r2/a.yaml', entryText('a', '2'));
    const current = join(directory, 'current');
    symlinkSync('r1', current);
    const { values } = await startSource([current]);
    expect(values()).toEqual({ a: '1', b: '1' });
    symlinkSync('r2', `${current}.new`);
    renameSync(`${current}.new`, current);
    await eventually(() => expect(values()).toEqual({ a: '2' }));
    writeFileSync(join(directory, 'r2/a.yaml'), entryText('a', '3'));
    await eventually(() => expect(values()).toEqual({ a: '3' }));
  });

  it('deletes nothing while a file is half written, empty or missing for a moment', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', joinDocuments(entryText('a', '1'), entryText('b', '1')));
    const { events, values } = await startSource([directory]);
    const half = openSync(file, 'w');
    await new Promise((resolve) => setTimeout(resolve, 15));
    writeSync(half, entryText('a', '2'));
    await new Promise((resolve) => setTimeout(resolve, 15));
    writeSync(half, `---\n${entryText('b', '2')}`);
    closeSync(half);
    await eventually(() => expect(values()).toEqual({ a: '2', b: '2' }));
    unlinkSync(file);
    await new Promise((resolve) => setTimeout(resolve, 10));
    writeFileSync(file, joinDocuments(entryText('a', '3'), entryText('b', '3')));
    await eventually(() => expect(values()).toEqual({ a: '3', b: '3' }));
    expect(events.filter((event) => event.startsWith('delete'))).toEqual([]);
  });

  it('takes a file that stays empty at its word', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', entryText('a', '1'));
    const { values } = await startSource([directory]);
    writeFileSync(file, '');
    await eventually(() => expect(values()).toEqual({}));
  });

  it('reads a file that never comes to rest', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', entryText('a', '1'));
    const { values } = await startSource([directory]);
    const writer = setInterval(() => appendFileSync(file, '# still here\n'), 5);
    onTestFinished(() => clearInterval(writer));
    writeFileSync(file, entryText('a', '2'));
    await eventually(() => expect(values()).toEqual({ a: '2' }));
  });

  it('finds by looking again what no event told', async () => {
    const directory = createTempDirectory();
    const elsewhere = createTempDirectory();
    const target = writeIn(elsewhere, 'target.yaml', entryText('a', '1'));
    symlinkSync(target, join(directory, 'a.yaml'));
    const { values } = await startSource([directory], { rescanIntervalMs: 20 });
    writeFileSync(target, entryText('a', '2'));
    await eventually(() => expect(values()).toEqual({ a: '2' }));
  });

  it('parses only the documents that changed', async () => {
    const directory = createTempDirectory();
    const names = Array.from({ length: 20 }, (_, n) => `e${n}`);
    const text = (changed: string) => joinDocuments(...names.map((name) => entryText(name, name === changed ? '2' : '1')));
    const file = writeIn(directory, 'a.yaml', text(''));
    const validated: string[] = [];
    const { events } = await startSource([directory], {
      validate(kind, object) {
        validated.push((object as { metadata: { name: string } }).metadata.name);
        return validateEntry(kind, object);
      },
    });
    validated.length = 0;
    await replaceFile(file, text('e7'));
    await eventually(() => expect(events.at(-1)).toBe('update e7=2'));
    expect(validated).toEqual(['e7']);
  });
});

describe('FileSource, bad input', () => {
  it('tells the place, keeps the last good version, and tells when all is well again', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', joinDocuments(entryText('a', '1'), entryText('b', '1'), entryText('c', '1')));
    const told: [string, number][] = [];
    const { events, values, problems } = await startSource([directory], {
      onDiagnostics: (path, diagnostics) => told.push([basename(path), diagnostics.length]),
    });
    await replaceFile(
      file,
      joinDocuments(entryText('a', '2'), `${entryText('b', '2')}  x: [\n`, entryText('c', '2', '  typo: 1\n')),
    );
    await eventually(() => expect(events.at(-1)).toBe('update c=2'));
    expect(values()).toEqual({ a: '2', b: '1', c: '2' });
    expect(problems()).toEqual([
      expect.stringMatching(/^a\.yaml:17:1: error: ServiceEntry ns\/b: YAML: .*\]/),
      'a.yaml:17:1: warning: ServiceEntry ns/b: the version from before the errors stays in force',
      'a.yaml:25:3: warning: ServiceEntry ns/c: spec.typo: is unknown',
    ]);
    await replaceFile(file, joinDocuments(entryText('a', '2'), entryText('b', '2'), entryText('c', '2')));
    await eventually(() => expect(values()).toEqual({ a: '2', b: '2', c: '2' }));
    expect(problems()).toEqual([]);
    expect(told.at(-1)).toEqual(['a.yaml', 0]);
  });

  it('keeps what a file defined when it becomes too large, unreadable or no text, until it is gone', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', entryText('a', '1'));
    const { values, problems } = await startSource([directory], { maxFileBytes: 1_000 });
    await replaceFile(file, `${entryText('a', '2')}#${'x'.repeat(1_000)}`);
    await eventually(() =>
      expect(problems()).toEqual([expect.stringMatching(/^a\.yaml:1:1: error: is too large: 1\d{3} bytes, the limit is 1000/)]),
    );
    writeFileSync(file, Buffer.from([0x61, 0xff, 0xfe]));
    await eventually(() => expect(problems()).toEqual(['a.yaml:1:1: error: cannot be read: it is not UTF-8 text']));
    unlinkSync(file);
    symlinkSync('a.yaml', file);
    await eventually(() => expect(problems()).toEqual(['a.yaml:1:1: error: cannot be read: too many symbolic links']));
    expect(values()).toEqual({ a: '1' });
    unlinkSync(file);
    await eventually(() => expect(values()).toEqual({}));
    expect(problems()).toEqual([]);
  });

  it('tells of the same object twice across files, and lets the other one in when the first goes', async () => {
    const directory = createTempDirectory();
    const first = writeIn(directory, 'a.yaml', entryText('x', 'a'));
    writeIn(directory, 'b.yaml', entryText('x', 'b'));
    const { values, problems } = await startSource([directory]);
    expect(values()).toEqual({ x: 'a' });
    expect(problems()).toEqual([`b.yaml:4:9: error: ServiceEntry ns/x: is defined already at ${first}:4; that one counts`]);
    unlinkSync(first);
    await eventually(() => expect(values()).toEqual({ x: 'b' }));
    expect(problems()).toEqual([]);
  });

  it('keeps everything while the directory itself is away, and catches up when it is back', async () => {
    const parent = createTempDirectory();
    const directory = join(parent, 'config');
    writeIn(directory, 'a.yaml', entryText('a', '1'));
    writeIn(directory, 'sub/b.yaml', entryText('b', '1'));
    const { values, problems } = await startSource([directory]);
    renameSync(directory, join(parent, 'away'));
    await eventually(() =>
      expect(problems()).toEqual([expect.stringMatching(/^config:1:1: error: this directory does not exist any more/)]),
    );
    expect(values()).toEqual({ a: '1', b: '1' });
    writeIn(parent, 'next/a.yaml', entryText('a', '2'));
    renameSync(join(parent, 'next'), directory);
    await eventually(() => expect(values()).toEqual({ a: '2' }));
    expect(problems()).toEqual([]);
    writeFileSync(join(directory, 'a.yaml'), entryText('a', '3'));
    await eventually(() => expect(values()).toEqual({ a: '3' }));
  });

  it('withdraws what a given file defined when it is gone, says so, and takes it back', async () => {
    const directory = createTempDirectory();
    const file = writeIn(directory, 'a.yaml', entryText('a', '1'));
    const { values, problems } = await startSource([file]);
    unlinkSync(file);
    await eventually(() =>
      expect(problems()).toEqual([expect.stringMatching(/^a\.yaml:1:1: error: this file does not exist any more/)]),
    );
    expect(values()).toEqual({});
    writeFileSync(file, entryText('a', '2'));
    await eventually(() => expect(values()).toEqual({ a: '2' }));
    expect(problems()).toEqual([]);
  });

  it('is not held up by a directory or a pipe with a file’s name', async () => {
    const directory = createTempDirectory();
    mkdirSync(join(directory, 'odd.yaml'));
    symlinkSync('/dev/null', join(directory, 'null.yaml'));
    writeIn(directory, 'a.yaml', entryText('a', '1'));
    const { values, problems } = await startSource([directory]);
    expect(values()).toEqual({ a: '1' });
    expect(problems()).toEqual(['null.yaml:1:1: error: is not a regular file, and is not read']);
  });

  it('ends in the middle of the first list without a trace', async () => {
    const directory = createTempDirectory();
    for (let n = 0; n < 100; n++) writeIn(directory, `${n}.yaml`, entryText(`e${n}`, '1'));
    const cache = new Cache();
    const stop = new AbortController();
    const running = new FileSource({ paths: [directory], cache, kinds: [entryKind], validate: validateEntry }).start(stop.signal);
    stop.abort();
    await running;
    expect([cache.store(entryKind).hasSynced, cache.store(entryKind).size]).toEqual([false, 0]);
  });
});
