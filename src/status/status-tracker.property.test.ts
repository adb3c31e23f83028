import fc from 'fast-check';
import { expect, it } from 'vitest';
import { defaultMeshConfig } from '../mesh/mesh-config.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { silentLogger } from '../runtime/logger.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { settledObjects } from '../testing/arbitrary-kubernetes.ts';
import { arbitraryConfig, arbitraryObject } from '../testing/arbitrary-objects.ts';
import { WiredMesh } from '../testing/wired-mesh.ts';
import type { PropagationTotal } from './propagation-source.ts';
import type { ObjectStatus } from './render-status.ts';
import { StatusTracker } from './status-tracker.ts';

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('put' as const), object: arbitraryObject }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('delete' as const), object: arbitraryObject }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('config' as const), config: arbitraryConfig }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, 1_000) }) },
);

/** What a person reads, without times. */
function wordsOf(status: ObjectStatus | undefined): unknown {
  const conditions = status?.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message]);
  return {
    conditions,
    addresses: status?.addresses,
    messages: status?.validationMessages,
    generation: status?.observedGeneration,
  };
}

it('tells of every status that changes, whichever object changed it', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 40, size: 'max' }), (isSettled, history) => {
      const clock = new FakeClock();
      const wired = new WiredMesh(defaultMeshConfig);
      const nobody = (): PropagationTotal => ({
        ...{ affected: 0, acked: 0, rejected: 0, pending: 0, rejections: [], laggards: [], pendingSince: undefined },
        ...{ revision: wired.mesh.revision, current: true },
      });
      const ledger = { propagation: nobody, onDirty: () => () => {} };
      const tracker = new StatusTracker({ mesh: wired.mesh, ledger, clock, logger: silentLogger });
      const told = new Map<ObjectKey, unknown>();
      tracker.onChange((key, status) => (status ? told.set(key, wordsOf(status)) : told.delete(key)));
      if (isSettled) for (const object of settledObjects) wired.apply(object);
      for (const each of history) {
        if (each.type === 'put') wired.apply(each.object);
        else if (each.type === 'delete') wired.remove(each.object);
        else if (each.type === 'config') wired.mesh.setConfig(each.config);
        else clock.advance(each.ms);
        wired.work();
      }
      clock.advance(5_000);
      const known = new Map(told);
      expect([...known.keys()].sort()).toEqual(tracker.keys().sort());
      for (const [key, words] of known) expect([key, words]).toEqual([key, wordsOf(tracker.get(key))]);
      tracker.close();
      wired.close();
      expect(clock.pendingTimers).toBe(0);
    }),
    { numRuns: Number(process.env.WEFT_PROPERTY_RUNS ?? 150) },
  );
}, 900_000);
