import { afterEach, beforeEach, expect, it } from 'vitest';
import { namesOf } from './installation-names.ts';
import { resourcePath } from './runtime/client/resource-path.ts';
import { type Lease, leaseKind } from './runtime/leader-election/lease.ts';
import { microTime } from './runtime/micro-time.ts';
import { describeApi } from './runtime/testing/describe-api.ts';
import { eventually } from './runtime/testing/eventually.ts';
import { ChangingWorld } from './testing/changing-world.ts';
import { expectAsFromNothing } from './testing/reference-plane.ts';
import { type RunningOperator, runOperator } from './testing/running-operator.ts';
import { mixedProxies, SimulatedFleet } from './testing/simulated-fleet.ts';

const hourMs = 3_600_000;
const leases = resourcePath(leaseKind, 'weft-system');

describeApi(
  'the operator and a Lease of a replica whose clock is wrong',
  (env) => {
    let fleet: SimulatedFleet;
    let operator: RunningOperator;

    /** Another replica's Lease, as its clock would have it. */
    const leaseOf = (aheadMs: number): Lease['spec'] => {
      const renewTime = microTime(Date.now() + aheadMs);
      return { holderIdentity: 'other', leaseDurationSeconds: 2, acquireTime: renewTime, renewTime, leaseTransitions: 0 };
    };
    const write = async (aheadMs: number, isNew = false): Promise<void> => {
      const request = isNew
        ? ({ method: 'POST', path: leases } as const)
        : ({ method: 'PATCH', path: `${leases}/${namesOf().lease}`, contentType: 'application/merge-patch+json' } as const);
      await env().rest.request({ ...request, body: { metadata: { name: namesOf().lease }, spec: leaseOf(aheadMs) } });
    };

    beforeEach(async () => {
      const world = new ChangingWorld(env().rest);
      await world.begin();
      await env().rest.request({ method: 'DELETE', path: leases });
      fleet = new SimulatedFleet();
    });
    afterEach(async () => {
      fleet.close();
      await operator.stop();
    });
    const serve = async (): Promise<void> => {
      operator = runOperator(env().kubeConfig);
      fleet.connect(await operator.served, mixedProxies(4, ['shop', 'client']));
    };

    it('takes over from one that died an hour ahead, within its lease', async () => {
      await write(hourMs, true);
      await serve();
      await expectAsFromNothing(env().kubeConfig, fleet);
      expect(operator.manager.isLeading).toBe(true);
    });

    it('leaves the lease to one that lives an hour behind, until that falls silent', async () => {
      await write(-hourMs, true);
      await serve();
      for (let renewals = 0; renewals < 10; renewals++) {
        await write(-hourMs);
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect([operator.manager.isLeading, operator.manager.leader]).toEqual([false, 'other']);
      }
      await eventually(() => expect(operator.manager.isLeading).toBe(true));
      await expectAsFromNothing(env().kubeConfig, fleet);
    });
  },
  { crdPaths: ['crds'] },
);
