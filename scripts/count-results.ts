// Prints `PASSED FAILED` for a file with vitest's JSON report: `node scripts/count-results.ts FILE`.
import { existsSync, readFileSync } from 'node:fs';
import { countResults } from './checks/count-results.ts';

const [file = ''] = process.argv.slice(2);
const { passed, failed } = countResults(existsSync(file) ? readFileSync(file, 'utf8') : undefined);
console.log(`${passed} ${failed}`);
