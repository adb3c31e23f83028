import { pushOrder } from '../../envoy/resource.ts';
import type { EnvoyFilter } from '../../mesh/envoy-filter.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { ProxySession } from '../session/proxy-session.ts';

/** A generation on trial, and what has been heard of it. */
export interface TrialWatch {
  readonly candidate: EnvoyFilter;
  /** The mesh's revision at which the trial began: what the proxies on trial must have acknowledged. */
  readonly revision: number;
  /** The proxies that have yet to acknowledge it. */
  readonly waiting: Set<ProxySession>;
  isAcknowledged: boolean;
  /** Proxies, by name, that disconnected without a word, in this trial of the generation and those before. */
  readonly departed: string[];
  /** How often all proxies that tried it have disconnected without a word. */
  lostRounds: number;
  /** Its time is over while nobody was there to try it. */
  isExpired: boolean;
  readonly cancelDeadline: () => void;
}

/** Whether a proxy has acknowledged everything up to a revision, lacks nothing of it and refuses nothing that the filter shaped. */
export function hasTaken({ types }: ProxySession, filter: ObjectKey, revision: number): boolean {
  return pushOrder.every((typeUrl) => {
    const state = types[typeUrl];
    if (!state.covers(revision, undefined) || state.awaited.size > 0) return false;
    return state.rejections.size === 0 || [...state.rejections.values()].every(({ provenance }) => !provenance.includes(filter));
  });
}

/** The proxy of a class that is to try a generation: one that is up to date where there is one, for another may not answer soon. */
export function pickTrier(
  sessions: Iterable<ProxySession>,
  isConcerned: (session: ProxySession) => boolean,
): ProxySession | undefined {
  let first: ProxySession | undefined;
  for (const session of sessions) {
    if (!isConcerned(session)) continue;
    if (session.settled) return session;
    first ??= session;
  }
  return first;
}
