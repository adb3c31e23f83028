import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from './diagnostic.ts';
import { KindIndex } from './kind-index.ts';
import { loadFile } from './load-file.ts';
import { ObjectRegistry } from './object-registry.ts';
import type { ParseOptions } from './parse-document.ts';
import { entryKind, entryText, joinDocuments, type TestEntry, validateEntry } from './testing/service-entries.ts';

const options: ParseOptions = {
  kinds: new KindIndex([entryKind]),
  validate: validateEntry,
  defaultNamespace: 'default',
  deliversInvalid: false,
};

function setup() {
  const registry = new ObjectRegistry();
  let nowMs = 1_000;
  const decide = (deletes = true) =>
    registry.decide(nowMs++, deletes).changes.map((change) => {
      if (change.type === 'delete') return `delete ${change.name}`;
      return `apply ${change.object.metadata.name}=${(change.object as TestEntry).spec.value}`;
    });
  const read = (path: string, ...documents: string[]) => {
    const loaded = loadFile(path, joinDocuments(...documents), options, registry.documents(path));
    registry.setDocuments({ root: 0, path }, loaded);
  };
  const write = (path: string, ...documents: string[]) => {
    read(path, ...documents);
    return decide();
  };
  const remove = (path: string) => {
    registry.remove(path);
    return decide();
  };
  const inForce = () =>
    Object.fromEntries(registry.objects(entryKind).map((object) => [object.metadata.name, (object as TestEntry).spec.value]));
  const object = (name: string) => registry.objects(entryKind).find((candidate) => candidate.metadata.name === name)!;
  const diagnostics = (path: string) => registry.diagnostics(path).map(formatDiagnostic);
  return { registry, read, write, remove, decide, inForce, object, diagnostics };
}

const broken = (name: string) => entryText(name, 'x').replace('"x"', '7');
const unparsable = ': [\n"\n';

describe('ObjectRegistry', () => {
  it('applies new and changed documents, and deletes those that are gone', () => {
    const { write, remove } = setup();
    expect(write('f', entryText('a', '1'), entryText('b', '1'))).toEqual(['apply a=1', 'apply b=1']);
    expect(write('f', entryText('a', '1'), entryText('b', '2'), entryText('c', '1'))).toEqual(['apply b=2', 'apply c=1']);
    expect(write('f', entryText('b', '2'))).toEqual(['delete ns/a', 'delete ns/c']);
    expect(remove('f')).toEqual(['delete ns/b']);
  });

  it('counts generations by spec, and keeps uid and time of an object', () => {
    const { write, remove, object } = setup();
    write('f', entryText('a', '1'));
    const first = object('a').metadata;
    expect(first).toMatchObject({ generation: 1, creationTimestamp: '1970-01-01T00:00:01.000Z' });
    expect(write('f', `# comment\n${entryText('a', '1')}`)).toEqual([]);
    write('f', entryText('a', '1').replace('spec:', '  labels: {x: y}\nspec:'));
    expect(object('a').metadata.generation).toBe(1);
    expect(object('a').metadata.resourceVersion).not.toBe(first.resourceVersion);
    write('f', entryText('a', '2'));
    write('f', entryText('a', '1'));
    const back = object('a').metadata;
    expect(back).toMatchObject({ generation: 3, uid: first.uid, creationTimestamp: first.creationTimestamp });
    expect(back.resourceVersion).not.toBe(first.resourceVersion);
    remove('f');
    write('f', entryText('a', '1'));
    expect(object('a').metadata).toMatchObject({ generation: 1, uid: first.uid, creationTimestamp: '1970-01-01T00:00:01.006Z' });
  });

  it('takes the time that the document states', () => {
    const { write, object } = setup();
    write('f', entryText('a', '1').replace('spec:', '  creationTimestamp: 2020-01-01T00:00:00Z\nspec:'));
    expect(object('a').metadata.creationTimestamp).toBe('2020-01-01T00:00:00.000Z');
  });
});

describe('a document with errors', () => {
  it('leaves its last good version in force, and its neighbours alone', () => {
    const { write, inForce, diagnostics } = setup();
    write('f', entryText('a', '1'), entryText('b', '1'), entryText('c', '1'));
    expect(write('f', entryText('a', '2'), broken('b'), entryText('c', '2'))).toEqual(['apply a=2', 'apply c=2']);
    expect(inForce()).toEqual({ a: '2', b: '1', c: '2' });
    expect(diagnostics('f')).toEqual([
      'f:12:9: warning: ServiceEntry ns/b: the version from before the errors stays in force',
      'f:15:10: error: ServiceEntry ns/b: spec.value: must be a string',
    ]);
    expect(write('f', entryText('a', '2'), entryText('b', '3'), entryText('c', '2'))).toEqual(['apply b=3']);
    expect(diagnostics('f')).toEqual([]);
  });

  it('is not in force if it never was good', () => {
    const { write, diagnostics } = setup();
    expect(write('f', broken('a'), entryText('b', '1'))).toEqual(['apply b=1']);
    expect(diagnostics('f')).toEqual(['f:7:10: error: ServiceEntry ns/a: spec.value: must be a string']);
  });

  it('keeps its last good version when its name cannot be read, through further edits', () => {
    const { write, inForce } = setup();
    write('f', entryText('a', '1'), entryText('b', '1'));
    expect(write('f', entryText('a', '1'), unparsable)).toEqual([]);
    expect(write('f', entryText('a', '2'), unparsable)).toEqual(['apply a=2']);
    expect(write('f', entryText('a', '2'), `${unparsable}more\n`)).toEqual([]);
    expect(inForce()).toEqual({ a: '2', b: '1' });
    expect(write('f', entryText('a', '2'))).toEqual(['delete ns/b']);
  });

  it('keeps the last good version of what it was called before', () => {
    const { write, inForce } = setup();
    write('f', entryText('a', '1'), entryText('b', '1'));
    expect(write('f', entryText('a', '1'), broken('renamed'))).toEqual([]);
    expect(write('f', entryText('a', '1'), entryText('renamed', '2')).sort()).toEqual(['apply renamed=2', 'delete ns/b']);
    expect(inForce()).toEqual({ a: '1', renamed: '2' });
  });

  it('does not keep alive what is removed beside it later', () => {
    const { write } = setup();
    write('f', entryText('a', '1'), broken('never-good'), unparsable);
    expect(write('f', broken('never-good'), unparsable)).toEqual(['delete ns/a']);
  });

  it('lets its object go when it is removed itself', () => {
    const { write, remove } = setup();
    write('f', entryText('a', '1'));
    write('f', broken('a'));
    expect(remove('f')).toEqual(['delete ns/a']);
  });
});

describe('two documents of one object', () => {
  it('the first by file and position counts, whichever came first', () => {
    const { write, remove, inForce, diagnostics } = setup();
    write('b', entryText('x', 'b1'), entryText('x', 'b2'));
    expect(diagnostics('b')).toEqual(['b:12:9: error: ServiceEntry ns/x: is defined already at b:4; that one counts']);
    expect(write('a', entryText('x', 'a'))).toEqual(['apply x=a']);
    expect(diagnostics('a')).toEqual([]);
    expect(diagnostics('b')).toHaveLength(2);
    expect(write('b', entryText('x', 'b3'))).toEqual([]);
    expect(remove('a')).toEqual(['apply x=b3']);
    expect([inForce(), diagnostics('b')]).toEqual([{ x: 'b3' }, []]);
  });

  it('the order of the given paths goes before that of names', () => {
    const { registry, decide, inForce } = setup();
    for (const rank of [
      { root: 1, path: 'a' },
      { root: 0, path: 'z' },
    ]) {
      registry.setDocuments(rank, loadFile(rank.path, entryText('x', rank.path), options));
    }
    decide();
    expect(inForce()).toEqual({ x: 'z' });
  });

  it('the first stays in force when it gets errors, also within one file', () => {
    const { write, inForce, diagnostics } = setup();
    write('a', entryText('x', '1'), entryText('x', '2'));
    write('b', entryText('x', '3'));
    expect(write('a', broken('x'), entryText('x', '2'))).toEqual([]);
    expect(inForce()).toEqual({ x: '1' });
    expect(diagnostics('b')).toEqual(['b:4:9: error: ServiceEntry ns/x: is defined already at a:4; that one counts']);
  });

  it('a first one that never was good does not stand in the way of the second', () => {
    const { write } = setup();
    expect(write('a', broken('x'), entryText('x', '1'))).toEqual(['apply x=1']);
    expect(write('a', broken('x'), entryText('x', '2'))).toEqual(['apply x=2']);
  });

  it('a document that moves between files does not vanish on the way', () => {
    const { read, decide, object } = setup();
    read('a', entryText('x', '1'));
    read('b', entryText('y', '1'));
    decide();
    const { uid } = object('x').metadata;
    read('a');
    expect(decide(false)).toEqual([]);
    read('b', entryText('y', '1'), entryText('x', '2'));
    expect(decide()).toEqual(['apply x=2']);
    expect(object('x').metadata).toMatchObject({ uid, generation: 2 });
  });

  it('an object that moves into a broken document keeps its last good version', () => {
    const { read, decide } = setup();
    read('a', entryText('x', '1'));
    decide();
    read('a');
    read('b', broken('x'));
    expect(decide()).toEqual([]);
  });
});

describe('over random histories', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const document = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(name, fc.constantFrom('1', '2', '3'))
        .map(([key, value]) => ({ name: key, text: entryText(key, value) })),
    },
    { weight: 1, arbitrary: name.map((key) => ({ name: key, text: broken(key) })) },
    { weight: 1, arbitrary: fc.constant({ name: undefined, text: unparsable }) },
  );
  const edit = fc.record({
    path: fc.constantFrom('f', 'g'),
    documents: fc.option(fc.array(document, { maxLength: 4 }), { nil: undefined }),
  });

  it('what is in force equals what the files say read from nothing, once all documents are good', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
        const { write, remove, inForce, diagnostics } = setup();
        const files = new Map<string, string[]>();
        const store = new Set<string>();
        const follow = (changes: string[]) => {
          for (const change of changes) {
            if (change.startsWith('delete')) expect(store.delete(change.slice('delete ns/'.length))).toBe(true);
            else store.add(change.slice('apply '.length).split('=')[0]!);
          }
        };
        for (const { path, documents } of edits) {
          if (documents) {
            follow(write(path, ...documents.map(({ text }) => text)));
            files.set(
              path,
              documents.map(({ text }) => text),
            );
            // A good document is in force in some version, whatever is wrong elsewhere.
            for (const { name: key, text } of documents) if (key && text.includes('"')) expect(inForce()).toHaveProperty(key);
          } else {
            follow(remove(path));
            files.delete(path);
          }
          expect([...store].sort()).toEqual(Object.keys(inForce()).sort());
        }
        const isGood = (text: string) => text !== unparsable && !text.includes('value: 7');
        for (const [path, documents] of files) follow(write(path, ...documents.filter(isGood)));
        const fresh = setup();
        for (const [path, documents] of [...files].sort()) fresh.write(path, ...documents.filter(isGood));
        expect(inForce()).toEqual(fresh.inForce());
        for (const path of files.keys()) expect(diagnostics(path)).toEqual(fresh.diagnostics(path));
      }),
      { numRuns: 150 },
    );
  });
});
