import { afterAll, beforeAll, describe } from 'vitest';
import { findKubeAssets } from '../testenv/kube-assets.ts';
import { startTestEnv, type TestEnv, type TestEnvOptions } from '../testenv/test-env.ts';

const found = await findKubeAssets();

/**
 * A `describe` with an API server of its own, started before its tests and stopped after them: `env()` gives it. Skipped where etcd
 * and kube-apiserver are missing; `npm test` says so at its end, with the way to have them.
 */
export function describeApi(name: string, define: (env: () => TestEnv) => void, options: TestEnvOptions = {}): void {
  describe.skipIf(!found.ok)(name, () => {
    let env: TestEnv;
    beforeAll(async () => {
      env = await startTestEnv(options);
    }, 90_000);
    afterAll(() => env?.stop());
    define(() => env);
  });
}
