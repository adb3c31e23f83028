import { expect, it } from 'vitest';
import { deadLinks } from './dead-links.ts';

const exists = (target: string) => target === 'docs/there.md';

it.each([
  ['[a](docs/gone.md)', 'docs/gone.md'],
  ['![a](docs/gone.svg "title")', 'docs/gone.svg'],
  ['[a](docs/gone.md#part)', 'docs/gone.md'],
  ['<img src="docs/gone.svg" width="10">', 'docs/gone.svg'],
  ['<source srcset="docs/gone.svg">', 'docs/gone.svg'],
])('finds that %s leads nowhere', (text, target) => expect(deadLinks(`\n${text}`, exists)).toEqual([{ line: 2, target }]));

it.each([
  '[a](docs/there.md)',
  '[a](docs/there.md#part)',
  '[a](#part)',
  '[a](https://example.com/x)',
  '[a](mailto:someone@example.com)',
  '```\n[a](docs/gone.md)\n```',
])('lets %j be', (text) => expect(deadLinks(text, exists)).toEqual([]));

it('finds both links of a line', () => {
  expect(deadLinks('[a](x) [b](y)', exists).map(({ target }) => target)).toEqual(['x', 'y']);
});
