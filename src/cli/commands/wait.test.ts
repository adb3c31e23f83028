import { expect, it } from 'vitest';
import type { ObjectStatus } from '../../status/render-status.ts';
import { poll } from './wait.ts';

const object = { kind: 'ServiceEntry', namespace: 'shop', name: 'api' };

const ready = (observedGeneration: number): ObjectStatus => ({
  observedGeneration,
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Propagated',
      message: '',
      observedGeneration,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
  ],
});

/** A control plane that says one status after the other, the last one for good. */
const plane = (generation: number | undefined, ...statuses: (ObjectStatus | undefined)[]) => ({
  asked: 0,
  generationOf: async (kind: string, name: string) => (`${kind}/${name}` === 'ServiceEntry/shop/api' ? generation : undefined),
  async askLeader<T>() {
    return statuses[Math.min(this.asked++, statuses.length - 1)] as T | undefined;
  },
});

it('waits for the generation that is there, not for one that was ready before', async () => {
  const behind = plane(2, undefined, ready(1), ready(2));
  expect(await poll(behind, object, 'ready', 10_000)).toEqual({ holds: true });
  expect(behind.asked).toBe(3);
  const never = await poll(plane(2, ready(1)), object, 'ready', 0);
  expect(never).toEqual({ holds: false, instead: 'the control plane has not seen generation 2 yet' });
});

it('takes the control plane at its word where nobody knows better', async () => {
  expect(await poll(plane(undefined, ready(1)), object, 'ready', 0)).toEqual({ holds: true });
  expect(await poll(plane(3, undefined), object, 'delete', 0)).toEqual({ holds: true });
});
