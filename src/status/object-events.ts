import type { Condition } from '../api/status.ts';
import { aborted } from '../runtime/abort.ts';
import type { EventRecorder } from '../runtime/events/event-recorder.ts';
import type { Occurrence } from '../runtime/events/recorded-event.ts';
import type { DeepReadonly } from '../runtime/object.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { ObjectStatus } from './render-status.ts';
import type { StatusWriter } from './status-writer.ts';

/** Reasons that one condition gives a Warning for, whoever reads the Events. */
const warningReasons: Readonly<Record<string, readonly string[]>> = {
  Accepted: ['Invalid', 'Conflicted', 'Unsupported'],
  ResolvedRefs: ['PatchTargetNotFound'],
  AddressAllocated: ['AddressPoolExhausted'],
  Programmed: ['Quarantined'],
  Ready: ['ProxyRejected', 'ProxiesStale'],
};

/** What Events call a reason, where that is not its own name. */
const eventNames: Readonly<Record<string, string>> = {
  PatchTargetNotFound: 'PatchNotApplied',
  ProxiesStale: 'PropagationStalled',
  ProgressDeadlineExceeded: 'PropagationStalled',
};

/**
 * What has happened to an object between two statuses of it, oldest news first. Pure: a leader that compares with the published
 * status repeats nothing that was told before.
 * @param before undefined: it had none
 */
export function deriveEvents(before: DeepReadonly<ObjectStatus> | undefined, after: DeepReadonly<ObjectStatus>): Occurrence[] {
  return [
    ...acceptance(before, after),
    ...(['Accepted', 'ResolvedRefs', 'AddressAllocated', 'Programmed', 'Ready'] as const).flatMap((type) =>
      warning(type, before, after),
    ),
    ...addresses(before, after),
    ...stall(before, after),
    ...arrival(before, after),
  ];
}

function acceptance(before: DeepReadonly<ObjectStatus> | undefined, after: DeepReadonly<ObjectStatus>): Occurrence[] {
  const accepted = find(after, 'Accepted');
  if (accepted?.status !== 'True' || find(before, 'Accepted')?.status === 'True') return [];
  return [{ type: 'Normal', reason: 'Accepted', note: `generation ${after.observedGeneration} is accepted and in force` }];
}

function warning(
  type: Condition['type'],
  before: DeepReadonly<ObjectStatus> | undefined,
  after: DeepReadonly<ObjectStatus>,
): Occurrence[] {
  const now = find(after, type);
  if (!now?.reason || !warningReasons[type]!.includes(now.reason)) return [];
  const earlier = find(before, type);
  const isTold =
    earlier?.reason === now.reason &&
    earlier.observedGeneration === now.observedGeneration &&
    // The words on proxies carry counts and times, which go on changing.
    (type === 'Ready' ? refusals(before) === refusals(after) : earlier.message === now.message);
  if (isTold) return [];
  return [{ type: 'Warning', reason: eventNames[now.reason] ?? now.reason, note: now.message ?? now.reason }];
}

function addresses(before: DeepReadonly<ObjectStatus> | undefined, after: DeepReadonly<ObjectStatus>): Occurrence[] {
  const list = (status: DeepReadonly<ObjectStatus> | undefined) =>
    (status?.addresses ?? []).map(({ host, value }) => `${host} ${value}`).join(', ');
  const now = list(after);
  if (now === '' || now === list(before)) return [];
  return [{ type: 'Normal', reason: 'AddressAllocated', note: now }];
}

function stall(before: DeepReadonly<ObjectStatus> | undefined, after: DeepReadonly<ObjectStatus>): Occurrence[] {
  const now = find(after, 'Stalled');
  if (now?.reason !== 'ProgressDeadlineExceeded') return [];
  const earlier = find(before, 'Stalled');
  if (earlier?.reason === now.reason && earlier.observedGeneration === now.observedGeneration) return [];
  return [{ type: 'Warning', reason: eventNames[now.reason]!, note: now.message ?? now.reason }];
}

/** The last proxy has it: a generation for the first time, or again after something was wrong. */
function arrival(before: DeepReadonly<ObjectStatus> | undefined, after: DeepReadonly<ObjectStatus>): Occurrence[] {
  const { propagation } = after;
  if (find(after, 'Ready')?.status !== 'True' || !propagation || propagation.affected === 0) return [];
  const earlier = find(before, 'Ready');
  const isSameGeneration = before?.propagation?.generation === propagation.generation;
  if (earlier?.status === 'True' && isSameGeneration) return [];
  const { generation, acked, startedAt, completedAt } = propagation;
  const proxies = acked === 1 ? '1 proxy' : `${acked} proxies`;
  if (isSameGeneration && (earlier?.reason === 'ProxyRejected' || earlier?.reason === 'ProxiesStale')) {
    return [{ type: 'Normal', reason: 'Recovered', note: `generation ${generation} acknowledged by ${proxies} after all` }];
  }
  const tookMs = Date.parse(completedAt ?? '') - Date.parse(startedAt ?? '');
  const took = Number.isNaN(tookMs) ? '' : ` in ${(tookMs / 1000).toFixed(1)} s`;
  return [{ type: 'Normal', reason: 'Propagated', note: `generation ${generation} acknowledged by ${proxies}${took}` }];
}

const find = (status: DeepReadonly<ObjectStatus> | undefined, type: string) =>
  status?.conditions?.find((each) => each.type === type);

const refusals = (status: DeepReadonly<ObjectStatus> | undefined): string =>
  JSON.stringify((status?.propagation?.rejections ?? []).map(({ typeUrl, resource, message }) => [typeUrl, resource, message]));

export interface ObjectEventsOptions {
  /** Of the same term of leadership. */
  readonly writer: StatusWriter;
  readonly recorder: Pick<EventRecorder, 'record'>;
}

/**
 * Records an Event for what each published status says anew. The published status is the memory: what one leader has told, the next
 * does not tell again. Start it before the writer.
 */
export class ObjectEvents implements Runnable {
  readonly name = 'object events';
  readonly group = 'leader';
  readonly #options: ObjectEventsOptions;

  constructor(options: ObjectEventsOptions) {
    this.#options = options;
  }

  /** As {@link Runnable.start}. */
  async start(signal: AbortSignal): Promise<void> {
    const { writer, recorder } = this.#options;
    // Not until the stop, but as long as the writer tells: its last write is news like any other.
    writer.onWritten((_key, object, before, after) => {
      for (const occurrence of deriveEvents(before, after)) recorder.record(object, occurrence);
    });
    await aborted(signal);
  }
}
