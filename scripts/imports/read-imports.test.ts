import { describe, expect, it } from 'vitest';
import { readImports } from './read-imports.ts';

const specifiers = (text: string) => readImports(text).map(({ specifier }) => specifier);

describe('readImports', () => {
  it.each([
    [`import { a } from './a.ts';`, './a.ts'],
    [`import a, { b as c } from "../a.ts";`, '../a.ts'],
    [`import * as a from './a.ts';`, './a.ts'],
    [`import './a.ts';`, './a.ts'],
    [`import { type A, b } from './a.ts';`, './a.ts'],
    [`import {\n  a,\n  b,\n} from './a.ts';`, './a.ts'],
    [`export { a } from './a.ts';`, './a.ts'],
    [`export * from './a.ts';`, './a.ts'],
    [`export * as a from './a.ts';`, './a.ts'],
    [`const a = await import('./a.ts');`, './a.ts'],
    [`let a: import('./a.ts').A;`, './a.ts'],
    [`import { $ } from './a.ts';`, './a.ts'],
    [`import file from './a.json' with { type: 'json' };`, './a.json'],
  ])('reads %s', (text, specifier) => expect(specifiers(text)).toEqual([specifier]));

  it('knows what imports only types', () => {
    const text = `import type { A } from './a.ts';\nexport type { B } from './b.ts';\nimport { type C } from './c.ts';`;
    expect(readImports(text).map(({ isType }) => isType)).toEqual([true, true, false]);
  });

  it('tells the line', () => {
    expect(readImports(`// first\nimport {\n  a,\n} from './a.ts';\nimport './b.ts';`).map(({ line }) => line)).toEqual([2, 5]);
  });

  it('takes no declaration for an import', () => {
    const text = [
      `export const from = 'x';`,
      `export type Name = 'a' | 'b';`,
      `export default 'x';`,
      `export function load() { return 'from'; }`,
      `const text = "import a from './a.ts'";`,
      ` * import { a } from './a.ts'`,
    ].join('\n');
    expect(specifiers(text)).toEqual([]);
  });

  it('does not join a declaration with a later string', () => {
    expect(specifiers(`export interface A {\n  readonly b: string;\n}\nconst c = d('./e.ts');`)).toEqual([]);
  });
});
