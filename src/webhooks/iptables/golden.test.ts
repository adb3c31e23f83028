import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type CaptureOptions, defaultCaptureOptions } from './capture-options.ts';
import { formatRules } from './compute-rules.ts';

/** `npm run golden` rewrites every expectation. */
const isUpdate = process.env.UPDATE_GOLDEN === '1';
const directory = join(import.meta.dirname, 'testdata');

describe('rules', () => {
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.in.yaml'))) {
    it(file.replace('.in.yaml', ''), () => {
      const options = parse(readFileSync(join(directory, file), 'utf8')) as Partial<CaptureOptions>;
      const actual = formatRules({ ...defaultCaptureOptions, ...options });
      const expected = join(directory, file.replace('.in.yaml', '.out.rules'));
      if (isUpdate || !existsSync(expected)) {
        if (process.env.CI && !isUpdate) throw new Error(`${expected} is missing`);
        writeFileSync(expected, actual);
      }
      expect(actual).toBe(readFileSync(expected, 'utf8'));
    });
  }
});
