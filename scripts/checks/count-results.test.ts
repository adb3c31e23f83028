import { expect, it } from 'vitest';
import { countResults } from './count-results.ts';

const file = (status: string, ...results: string[]) => ({ status, assertionResults: results.map((each) => ({ status: each })) });
const report = (success: boolean, ...testResults: object[]) => JSON.stringify({ success, testResults });

it('counts tests, and leaves out what was skipped', () => {
  const text = report(false, file('passed', 'passed', 'passed', 'skipped'), file('failed', 'passed', 'failed', 'failed'));
  expect(countResults(text)).toEqual({ passed: 3, failed: 2 });
});

it.each([
  ['a file that failed outside of its tests', report(false, file('failed', 'passed')), { passed: 1, failed: 1 }],
  ['a file that could not be loaded', report(false, file('failed')), { passed: 0, failed: 1 }],
  ['an error outside of any file', report(false, file('passed', 'passed')), { passed: 1, failed: 1 }],
  ['no report', undefined, { passed: 0, failed: 1 }],
  ['half a report', '{"testResults": [', { passed: 0, failed: 1 }],
  ['something else', '[]', { passed: 0, failed: 1 }],
])('does not miss %s', (_, text, expected) => expect(countResults(text)).toEqual(expected));
