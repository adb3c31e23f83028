import type { MeshKind } from '../api/kind.ts';
import { sleep } from '../runtime/abort.ts';
import { isConflict, isInvalid, isNotFound } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { containsFinalizer, removeFinalizer } from '../runtime/finalizer.ts';
import { leaseKind } from '../runtime/leader-election/lease.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { microTime } from '../runtime/micro-time.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import { withdrawalFinalizer } from './withdrawal.ts';

export interface ReleaseOptions {
  readonly client: Pick<Client, 'getLive' | 'listLive' | 'create' | 'update' | 'patch'>;
  readonly kinds: readonly MeshKind[];
  /** By which the operator's replicas elect their leader. */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** How long after the end no replica leads, in milliseconds: by then the operator has to be gone. Meanwhile the lease is renewed
   * four times as often. Default 20,000. */
  readonly holdMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** Who holds the lease meanwhile. */
const holderIdentity = 'weft release-objects';
/** Tries to write the Lease while its holder renews it, and passes over the objects while others change them. */
const triesAtMost = 10;

/**
 * Takes {@link withdrawalFinalizer} off every object, so that none waits at its deletion for an operator that is about to be taken out
 * of the cluster. The leader would put it on again: so the lease is taken from it, waited for until it has certainly noticed, and kept
 * for `holdMs` more. Without such an object nothing is done. Resolves to how many objects there were; rejects if some are left.
 */
export async function releaseObjects(options: ReleaseOptions, signal: AbortSignal): Promise<number> {
  const { clock = systemClock, logger = silentLogger, holdMs = 20_000 } = options;
  const released = new Set<string>();
  if ((await held(options, signal)).length === 0) return 0;
  let takenAtMs = Number.NEGATIVE_INFINITY;
  /** However long it takes: where the lease ran out a replica would lead again, and put the finalizers back. */
  const hold = async () => {
    if (clock.monotonicMs() - takenAtMs < holdMs / 4) return;
    const standDownMs = await takeLease(options, holdMs, signal);
    takenAtMs = clock.monotonicMs();
    if (standDownMs === 0) return;
    logger.info('Waiting until no replica can think that it leads', { waitMs: standDownMs });
    await sleep(clock, standDownMs, signal);
  };
  for (let left = triesAtMost; left > 0; left--) {
    signal.throwIfAborted();
    await hold();
    const objects = await held(options, signal);
    if (objects.length === 0) {
      await takeLease(options, holdMs, signal);
      return released.size;
    }
    for (const { kind, object } of objects) {
      await hold();
      const name = `${kind.kind} ${object.metadata.namespace}/${object.metadata.name}`;
      try {
        await removeFinalizer(options.client, kind, object, withdrawalFinalizer, { signal });
        released.add(name);
      } catch (error) {
        // Somebody else has changed the finalizers: the next pass reads them anew.
        if (!isInvalid(error)) throw error;
        logger.info('The finalizers have changed meanwhile; they are read again', { object: name });
      }
    }
  }
  const left = (await held(options, signal)).map(
    ({ kind, object }) => `${kind.kind} ${object.metadata.namespace}/${object.metadata.name}`,
  );
  throw new Error(`${withdrawalFinalizer} is still on ${left.join(', ')}: does another revision write status, too?`);
}

/** Objects that carry the finalizer. A kind that the cluster does not have has none. */
async function held({ client, kinds }: ReleaseOptions, signal: AbortSignal) {
  const lists = kinds.map(async (kind) => {
    try {
      const objects: KubernetesObject[] = await client.listLive<KubernetesObject>(kind, { signal });
      return objects.filter((object) => containsFinalizer(object, withdrawalFinalizer)).map((object) => ({ kind, object }));
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  });
  return (await Promise.all(lists)).flat();
}

/** Holds the lease from now on. Resolves to how long whoever had it may think that it leads, in milliseconds. */
async function takeLease({ client, lease, clock = systemClock }: ReleaseOptions, holdMs: number, signal: AbortSignal) {
  for (let left = triesAtMost; ; left--) {
    const present = await client.getLive(leaseKind, `${lease.namespace}/${lease.name}`, { signal });
    const { holderIdentity: before = '', leaseDurationSeconds = 15 } = present?.spec ?? {};
    const standDownMs = before === '' || before === holderIdentity ? 0 : leaseDurationSeconds * 1000;
    const now = microTime(clock.now());
    const spec = {
      ...present?.spec,
      holderIdentity,
      leaseDurationSeconds: Math.ceil((standDownMs + holdMs) / 1000),
      acquireTime: now,
      renewTime: now,
      leaseTransitions: (present?.spec?.leaseTransitions ?? 0) + (before === holderIdentity ? 0 : 1),
    };
    try {
      const base = present ?? {
        apiVersion: 'coordination.k8s.io/v1',
        kind: leaseKind.kind,
        metadata: lease as KubernetesObject['metadata'],
      };
      await (present
        ? client.update(leaseKind, { ...base, spec }, { signal })
        : client.create(leaseKind, { ...base, spec }, { signal }));
      return standDownMs;
    } catch (error) {
      // Its holder renews it every two seconds.
      if (!isConflict(error) || left === 0) throw error;
    }
  }
}
