import type { TestProject } from 'vitest/node';
import { describeMissing, listComponents } from '../e2e/env/components.ts';
import { findKubeAssets } from '../src/runtime/testenv/kube-assets.ts';
import { findHelm, helmRemedy } from './chart/helm.ts';

/**
 * Vitest's global setup of `npm test`: once the tests are through, says what was left out for want of an API server, names the command
 * for those with real traffic, and what they would leave out on this machine. Looks at the machine, changes nothing on it.
 * `WEFT_REQUIRE=kube-apiserver,helm` makes the absence of either an error, so that a CI run cannot pass by leaving out.
 */
export default async function setUp({ config }: TestProject): Promise<() => Promise<void>> {
  const kube = await findKubeAssets();
  const leftOut = kube.ok
    ? ''
    : `Of those on a real API server, on this machine as it is:\n  ${kube.why}\n  to have it: ${kube.remedy}`;
  const withoutHelm =
    findHelm() === undefined ? `left out: renders of the chart\n  helm is missing; to have it: ${helmRemedy}` : '';
  const required = (process.env.WEFT_REQUIRE ?? '').split(',');
  if (required.includes('kube-apiserver') && leftOut !== '')
    throw new Error(`WEFT_REQUIRE names what is not here: kube-apiserver\n${leftOut}`);
  if (required.includes('helm') && withoutHelm !== '')
    throw new Error(`WEFT_REQUIRE names what is not here: helm\n${withoutHelm}`);
  if (config.include.some((pattern) => pattern.includes('.api.test'))) {
    return async () => {
      for (const left of [leftOut, withoutHelm]) if (left !== '') console.log(left);
    };
  }
  return async () => {
    if (withoutHelm !== '') console.log(withoutHelm);
    console.log('Not part of this run: tests on a real etcd and kube-apiserver (npm run test:api)');
    if (leftOut !== '') console.log(leftOut);
    const missing = describeMissing(await listComponents());
    console.log('Not part of this run: tests with a real Envoy (npm run e2e)');
    if (missing !== '') console.log(`Of those, on this machine as it is:\n${missing.replace(/^/gm, '  ')}`);
  };
}
