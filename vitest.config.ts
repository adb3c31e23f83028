import { defineConfig } from 'vitest/config';

/** Where `.ci/run` wants the results in vitest's JSON. Default: nowhere. */
const resultsFile = process.env.WEFT_TEST_RESULTS;

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'demo/**/*.test.ts'],
    exclude: ['**/*.api.test.ts'],
    // Each file has a thread of its own, and with it its own list of open resources, which the leak check reads.
    pool: 'threads',
    isolate: true,
    setupFiles: ['src/runtime/testing/leak-check.ts'],
    globalSetup: ['scripts/list-left-out.ts'],
    reporters: resultsFile ? ['default', 'json'] : ['default'],
    outputFile: resultsFile ? { json: resultsFile } : {},
    maxWorkers: 2,
    testTimeout: 20_000,
  },
});
