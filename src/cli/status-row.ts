import type { ObjectStatus } from '../status/render-status.ts';

/** An object's status as one row of a table shows it. */
export interface StatusRow {
  readonly ready: 'True' | 'False' | 'Unknown';
  /** Why it is not ready, or what is worth knowing although it is. */
  readonly reason: string;
  /** `acked/affected acked, n rejected` */
  readonly proxies: string;
  /** The generation last read, and the one in force where that is another: `2 (1 in force)`. */
  readonly generation: string;
  /** How long the generation took to reach its last proxy; empty where it has none, or has not. */
  readonly took: string;
}

/** Condenses a status to a row. */
export function describeStatus({ conditions = [], propagation, observedGeneration = 0 }: ObjectStatus): StatusRow {
  const condition = (type: string) => conditions.find((candidate) => candidate.type === type);
  const ready = condition('Ready');
  // What hinders most comes first; a reference that leads nowhere is told of an object that is ready, too.
  const open = [condition('Accepted'), ready, condition('ResolvedRefs'), condition('AddressAllocated')].find(
    (candidate) => candidate?.status === 'False',
  );
  const isUnused = condition('Programmed')?.reason === 'NoAffectedProxies';
  const inForce = propagation?.generation ?? observedGeneration;
  return {
    ready: ready?.status ?? 'Unknown',
    reason: (open ?? (isUnused ? condition('Programmed') : ready))?.reason ?? '',
    proxies: propagation?.summary ?? '',
    generation: inForce === observedGeneration ? `${inForce}` : `${observedGeneration} (${inForce} in force)`,
    took: tookOf(propagation),
  };
}

function tookOf(propagation: ObjectStatus['propagation']): string {
  if (!propagation?.startedAt || !propagation.completedAt) return '';
  return `${Date.parse(propagation.completedAt) - Date.parse(propagation.startedAt)} ms`;
}
