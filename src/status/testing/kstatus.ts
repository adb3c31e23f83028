import type { DeepReadonly } from '../../runtime/object.ts';
import type { PublishedObject } from '../published-status.ts';

/** What Flux, `kubectl apply --wait` tools and others that use kstatus take an object for. */
export type Kstatus = 'InProgress' | 'Current' | 'Failed' | 'Terminating' | 'NotFound';

/**
 * kstatus's published rules for kinds that it does not know (sigs.k8s.io/cli-utils, pkg/kstatus): deletion first, then a generation that
 * was not observed, then Reconciling and Stalled in the order in which they stand, then Ready, and otherwise current.
 */
export function kstatusOf(object: DeepReadonly<PublishedObject> | undefined): Kstatus {
  if (!object) return 'NotFound';
  const { metadata, status } = object;
  if (metadata.deletionTimestamp) return 'Terminating';
  const observed = status?.observedGeneration;
  if (observed !== undefined && observed !== metadata.generation) return 'InProgress';
  const conditions = status?.conditions ?? [];
  for (const { type, status: value } of conditions) {
    if (type === 'Reconciling' && value === 'True') return 'InProgress';
    if (type === 'Stalled' && value === 'True') return 'Failed';
  }
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready && ready.status !== 'True' ? 'InProgress' : 'Current';
}
