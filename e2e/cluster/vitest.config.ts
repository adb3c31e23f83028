import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** `npm run e2e:cluster`: on a real Kubernetes with a kubelet, the operator in a pod. Root is required. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    include: ['e2e/cluster/**/*.cluster.test.ts'],
    globalSetup: [join(import.meta.dirname, 'global-setup.ts')],
    // One cluster, shared by all files.
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 240_000,
  },
});
