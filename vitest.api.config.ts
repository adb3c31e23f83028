import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.ts';

/** `npm run test:api`: what needs a real etcd and kube-apiserver, or helm. Files run one after the other: each has an API server of its own. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [], exclude: [] } },
  defineConfig({
    test: { include: ['{src,scripts}/**/*.api.test.ts', 'scripts/chart/golden.test.ts'], maxWorkers: 1, testTimeout: 60_000 },
  }),
);
