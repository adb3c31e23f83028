import { isDeepStrictEqual } from 'node:util';
import { type Condition, conditionTypes } from '../api/status.ts';
import type { DeepReadonly } from '../runtime/object.ts';
import type { ObjectStatus } from './render-status.ts';

/**
 * How much a status differs from the published one.
 * - `transition`: a condition, a reason, a generation, a finding, an address, a refusal came, went or changed.
 * - `step`: the acknowledged proxies differ by at least a tenth of the affected, or the last one has answered.
 * - `small`: counts differ by less.
 * - `none`: nothing that counts. Times alone are nothing, nor are words that only carry counts and times.
 */
export type Difference = 'none' | 'small' | 'step' | 'transition';

type Published = DeepReadonly<ObjectStatus> | undefined;

const ownConditions: ReadonlySet<string> = new Set([...conditionTypes, 'AddressAllocated']);

/** Conditions whose message is a finding; that of the others speaks of counts, which are compared themselves. */
const tellingConditions: ReadonlySet<string> = new Set(['Accepted', 'ResolvedRefs', 'AddressAllocated']);

/** Compares what stands in the API server with what should. Conditions and fields of other writers are not looked at. */
export function compareStatus(standing: Published, wanted: DeepReadonly<ObjectStatus>): Difference {
  if (!standing || !isDeepStrictEqual(essence(standing), essence(wanted))) return 'transition';
  const before = standing.propagation;
  const after = wanted.propagation;
  if (!before || !after) return before === after ? 'none' : 'transition';
  if ((before.completedAt === undefined) !== (after.completedAt === undefined)) return 'step';
  const isMoved = (['affected', 'acked', 'rejected', 'pending'] as const).some((count) => before[count] !== after[count]);
  if (!isMoved) return 'none';
  return Math.abs(after.acked - before.acked) * 10 >= Math.max(after.affected, 1) && after.acked !== before.acked
    ? 'step'
    : 'small';
}

/** The merge patch (RFC 7386) of `status` that makes the published one as wanted and leaves to others what is theirs. */
export function statusPatch(standing: Published, wanted: DeepReadonly<ObjectStatus>): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  const own = standing?.conditions?.filter(isOwn) ?? [];
  if (!isDeepStrictEqual(own, wanted.conditions)) {
    // A list is replaced as a whole: where Istio's CRDs are installed it is not one that merges by type.
    patch.conditions = [...(wanted.conditions ?? []), ...(standing?.conditions?.filter((each) => !isOwn(each)) ?? [])];
  }
  if (standing?.observedGeneration !== wanted.observedGeneration) patch.observedGeneration = wanted.observedGeneration;
  const propagation = mergePatch(standing?.propagation ?? {}, wanted.propagation ?? {});
  if (Object.keys(propagation).length > 0) patch.propagation = propagation;
  for (const field of ['validationMessages', 'addresses'] as const) {
    if (isDeepStrictEqual(standing?.[field], wanted[field])) continue;
    if (wanted[field]) patch[field] = wanted[field];
    // Istio has these fields too: what stands there before the first propagation of ours is another's.
    else if (standing?.propagation && standing[field]) patch[field] = null;
  }
  return patch;
}

const isOwn = ({ type }: DeepReadonly<Condition>) => ownConditions.has(type);

/** What makes a transition when it differs. */
function essence({
  observedGeneration,
  conditions = [],
  propagation,
  validationMessages,
  addresses,
}: DeepReadonly<ObjectStatus>) {
  return {
    observedGeneration,
    conditions: conditions
      .filter(isOwn)
      .map(({ type, status, reason, message }) => [type, status, reason, tellingConditions.has(type) ? message : ''].join('\0'))
      .sort(),
    generation: propagation?.generation,
    rejections: (propagation?.rejections ?? [])
      .map(({ typeUrl, resource, message }) => [typeUrl, resource, message].join('\0'))
      .sort(),
    validationMessages: validationMessages ?? [],
    // Absent where Weft allocates none: addresses of another writer are not ours to compare.
    addresses: propagation ? (addresses ?? []) : [],
  };
}

/** The fields that differ, `null` for those to go. */
function mergePatch(before: object, after: object): Record<string, unknown> {
  const from = before as Record<string, unknown>;
  const to = after as Record<string, unknown>;
  const patch: Record<string, unknown> = {};
  for (const field of Object.keys(from)) if (to[field] === undefined) patch[field] = null;
  for (const [field, value] of Object.entries(to)) if (!isDeepStrictEqual(from[field], value)) patch[field] = value;
  return patch;
}
