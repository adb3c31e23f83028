import { expect, it } from 'vitest';
import { describeApi } from './runtime/testing/describe-api.ts';
import { soak } from './testing/soak/soak.ts';

const seed = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);

describeApi(
  'two replicas of the operator under random changes and faults',
  (env) => {
    it(`end as from nothing, seed ${seed}`, async () => {
      const report = await soak({
        env: env(),
        seed,
        durationMs: 30_000,
        proxies: 50,
        kills: false,
        checkEveryMs: 15_000,
        log: () => {},
      });
      expect(report.comparisons).toBeGreaterThanOrEqual(2);
      expect(report.changes.applied).toBeGreaterThan(50);
      expect(report.changes.refused * 10, 'objects that the API server refuses test nothing').toBeLessThan(
        report.changes.applied,
      );
      expect(Object.keys(report.faults).length).toBeGreaterThan(2);
    }, 300_000);
  },
  { crdPaths: ['crds'] },
);
