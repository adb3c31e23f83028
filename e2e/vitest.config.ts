import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: join(import.meta.dirname, '..'),
    include: ['e2e/**/*.test.ts'],
    exclude: ['**/*.cluster.test.ts'],
    globalSetup: ['./e2e/env/global-setup.ts'],
    // Real processes share the machine's two cores, ports and namespaces: one file at a time.
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
