import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { splitDocuments } from './split-documents.ts';

const lines = (text: string) => splitDocuments(text).map(({ text: part, startLine }) => [startLine, part]);

describe('splitDocuments', () => {
  it.each<[string, string, [number, string][]]>([
    ['one without a marker', 'a: 1\n', [[1, 'a: 1\n']]],
    [
      'several',
      'a: 1\n---\nb: 2\n--- \nc: 3',
      [
        [1, 'a: 1\n'],
        [2, '---\nb: 2\n'],
        [4, '--- \nc: 3'],
      ],
    ],
    [
      'content on the marker’s line',
      '--- {a: 1}\n--- # none\n--- b',
      [
        [1, '--- {a: 1}\n'],
        [3, '--- b'],
      ],
    ],
    ['empty ones and comments', '# about\n---\n---\n\n# x\n---\na: 1\n---\n', [[6, '---\na: 1\n']]],
    [
      'an end marker',
      'a: 1\n...\n# between\nb: 2\n...\n',
      [
        [1, 'a: 1\n...\n'],
        [3, '# between\nb: 2\n...\n'],
      ],
    ],
    [
      'directives',
      '%YAML 1.2\n# x\n---\na: 1\n...\n%TAG ! tag:x,2000:\n---\nb: 2\n',
      [
        [1, '%YAML 1.2\n# x\n---\na: 1\n...\n'],
        [6, '%TAG ! tag:x,2000:\n---\nb: 2\n'],
      ],
    ],
    [
      'carriage returns',
      'a: 1\r\n---\r\nb: 2\r\n',
      [
        [1, 'a: 1\r\n'],
        [2, '---\r\nb: 2\r\n'],
      ],
    ],
    ['a byte order mark', '\ufeffa: 1\n', [[1, 'a: 1\n']]],
    [
      'what only looks like a marker',
      'a: |\n  ---\n  x\nb: ---\n---x: 1\n----\n',
      [[1, 'a: |\n  ---\n  x\nb: ---\n---x: 1\n----\n']],
    ],
    [
      'a marker inside an open quote',
      'a: "x\n---\nb: 2\n',
      [
        [1, 'a: "x\n'],
        [2, '---\nb: 2\n'],
      ],
    ],
    ['nothing', '', []],
    ['nothing but markers', '---\n---\n...\n', []],
  ])('%s', (_, text, expected) => {
    expect(lines(text)).toEqual(expected);
  });

  it('finds the documents that a YAML parser finds, on their lines', () => {
    const line = fc.constantFrom('---', '--- # c', '...', 'a: 1', 'b: |', '  text', '  ---', '# comment', '', 'c: "q"', '- x');
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (content) => {
        const text = `${content.join('\n')}\n`;
        const parsed = parseAllDocuments(text);
        fc.pre(Array.isArray(parsed) && parsed.every((document) => document.errors.length === 0));
        const values = (documents: readonly { toJS(): unknown }[]) =>
          documents.map((document) => document.toJS()).filter((value) => value !== null);
        const split = splitDocuments(text).flatMap((document) => {
          const startsThere = text
            .split('\n')
            .slice(document.startLine - 1)
            .join('\n')
            .startsWith(document.text);
          expect(startsThere).toBe(true);
          return parseAllDocuments(document.text) as unknown as { toJS(): unknown }[];
        });
        expect(values(split)).toEqual(values(parsed as unknown as { toJS(): unknown }[]));
      }),
      { numRuns: 300 },
    );
  });
});
