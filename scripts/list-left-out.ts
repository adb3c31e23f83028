import { describeMissing, listComponents } from '../e2e/env/components.ts';

/**
 * Vitest's global setup of `npm test`: once the tests are through, names the command for those with real traffic,
 * and what they would leave out on this machine. Looks at the machine, changes nothing on it.
 */
export default function setUp(): () => Promise<void> {
  return async () => {
    const missing = describeMissing(await listComponents());
    console.log('Not part of this run: tests with a real Envoy (npm run e2e)');
    if (missing !== '') console.log(`Of those, on this machine as it is:\n${missing.replace(/^/gm, '  ')}`);
  };
}
