import { expect, it } from 'vitest';
import { serviceEntryKind } from '../api/index.ts';
import { type Lease, leaseKind } from '../runtime/leader-election/lease.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import { FakeClock } from '../runtime/testing/fake-clock.ts';
import { releaseObjects } from './release-objects.ts';
import { withdrawalFinalizer } from './withdrawal.ts';

/** An API server of one Lease and some objects, whose every patch takes a while. */
class SlowApi {
  readonly clock = new FakeClock();
  lease: Lease | undefined;
  /** When the Lease ran out while objects were still being released, in milliseconds since the epoch. */
  ranOutAtMs: number | undefined;
  onPatch = () => {};
  readonly #objects: Set<string>;
  readonly #patchMs: number;

  constructor(count: number, patchMs: number) {
    this.#objects = new Set(Array.from({ length: count }, (_, index) => `a${index}`));
    this.#patchMs = patchMs;
  }

  getLive = async () => this.lease as never;
  listLive = async () =>
    [...this.#objects].map((name) => ({
      ...{ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry' },
      metadata: { namespace: 'shop', name, finalizers: [withdrawalFinalizer] },
    })) as never;
  create = async (_: unknown, lease: unknown) => {
    this.lease = lease as Lease;
    return lease as never;
  };
  update = this.create;
  patch = async (_: unknown, name: string) => {
    await new Promise<void>((resolve) => this.clock.setTimer(resolve, this.#patchMs));
    const { renewTime = '', leaseDurationSeconds = 0 } = this.lease!.spec!;
    if (Date.parse(renewTime) + leaseDurationSeconds * 1000 < this.clock.now()) this.ranOutAtMs ??= this.clock.now();
    this.#objects.delete(name.split('/')[1]!);
    this.onPatch();
    return {} as never;
  };
}

const led = (by: string): Lease => ({
  ...{ apiVersion: 'coordination.k8s.io/v1', kind: leaseKind.kind },
  metadata: { namespace: 'weft-system', name: 'weft-leader', resourceVersion: '1' } as KubernetesObject['metadata'],
  spec: { holderIdentity: by, leaseDurationSeconds: 15 },
});

async function release(api: SlowApi): Promise<{ released: number; tookMs: number }> {
  const { clock } = api;
  const startedMs = clock.now();
  const lease = { namespace: 'weft-system', name: 'weft-leader' };
  const { signal } = new AbortController();
  let released: number | undefined;
  const ends = releaseObjects({ client: api, kinds: [serviceEntryKind], lease, clock }, signal).then((count) => {
    released = count;
  });
  while (released === undefined) await clock.advanceAsync(100);
  await ends;
  return { released, tookMs: clock.now() - startedMs };
}

it('keeps the lease for as long as it takes', async () => {
  const api = new SlowApi(100, 1000);
  api.lease = led('replica');
  const { released, tookMs } = await release(api);
  expect(released).toBe(100);
  expect(tookMs).toBeGreaterThanOrEqual(115_000);
  expect(api.ranOutAtMs).toBeUndefined();
  expect(api.lease.spec).toMatchObject({ holderIdentity: 'weft release-objects', leaseDurationSeconds: 20 });
});

it('waits again where a replica has led in between', async () => {
  const api = new SlowApi(20, 1000);
  let patches = 0;
  api.onPatch = () => {
    if (++patches === 7) api.lease = led('replica');
  };
  const { tookMs } = await release(api);
  expect(tookMs).toBeGreaterThanOrEqual(35_000);
});
