import type { TestProject } from 'vitest/node';
import { describeMissing, listComponents } from '../e2e/env/components.ts';
import { findKubeAssets } from '../src/runtime/testenv/kube-assets.ts';

/**
 * Vitest's global setup of `npm test`: once the tests are through, says what was left out for want of an API server, names the command
 * for those with real traffic, and what they would leave out on this machine. Looks at the machine, changes nothing on it.
 * `WEFT_REQUIRE=kube-apiserver` makes its absence an error, so that a CI run cannot pass by leaving out.
 */
export default async function setUp({ config }: TestProject): Promise<() => Promise<void>> {
  const kube = await findKubeAssets();
  const leftOut = kube.ok
    ? ''
    : `Of those on a real API server, on this machine as it is:\n  ${kube.why}\n  to have it: ${kube.remedy}`;
  const isRequired = (process.env.WEFT_REQUIRE ?? '').split(',').includes('kube-apiserver');
  if (isRequired && leftOut !== '') throw new Error(`WEFT_REQUIRE names what is not here: kube-apiserver\n${leftOut}`);
  if (config.include.some((pattern) => pattern.includes('.api.test'))) {
    return async () => {
      if (leftOut !== '') console.log(leftOut);
    };
  }
  return async () => {
    console.log('Not part of this run: tests on a real etcd and kube-apiserver (npm run test:api)');
    if (leftOut !== '') console.log(leftOut);
    const missing = describeMissing(await listComponents());
    console.log('Not part of this run: tests with a real Envoy (npm run e2e)');
    if (missing !== '') console.log(`Of those, on this machine as it is:\n${missing.replace(/^/gm, '  ')}`);
  };
}
