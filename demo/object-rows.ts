import type { Condition } from '../src/api/status.ts';
import { describeStatus } from '../src/cli/status-row.ts';
import type { StatusByName } from '../src/status/http-routes.ts';
import type { ObjectStatus } from '../src/status/render-status.ts';

/** One object of the table. */
export interface ObjectRow {
  readonly kind: string;
  /** `namespace/name`. */
  readonly object: string;
  /** `acknowledged/affected`, and how many have refused it. */
  readonly proxies: string;
  readonly ready: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  /** The generation last read, and the one in force where that is another. */
  readonly generation: string;
  /** How long the generation took to reach its last proxy; empty where it has none, or has not. */
  readonly took: string;
  /** It is valid, so it ought to become ready. */
  readonly isAccepted: boolean;
  /** It has changed a moment ago. */
  readonly isFresh: boolean;
  /** What is wrong beyond what its file's diagnostics say, in sentences. */
  readonly problems: readonly string[];
}

/** How long a change counts as fresh, in milliseconds. */
const freshMs = 3000;

/** The table's rows from what `/status` answers, by kind and name. */
export function objectRows(tree: StatusByName, nowMs: number): ObjectRow[] {
  return Object.entries(tree).flatMap(([kind, namespaces]) =>
    Object.entries(namespaces).flatMap(([namespace, names]) =>
      Object.entries(names).map(([name, status]) => objectRow(kind, `${namespace}/${name}`, status, nowMs)),
    ),
  );
}

function objectRow(kind: string, object: string, status: ObjectStatus, nowMs: number): ObjectRow {
  const { propagation, conditions = [] } = status;
  const condition = (type: string) => conditions.find((candidate) => candidate.type === type);
  const accepted = condition('Accepted');
  const ready = condition('Ready');
  const isAccepted = accepted?.status === 'True';
  const { affected = 0, acked = 0, rejected = 0 } = propagation ?? {};
  const { ready: isReady, reason, generation, took } = describeStatus(status);
  return {
    kind,
    object,
    proxies: `${acked}/${affected}${rejected ? `, ${rejected} refused` : ''}`,
    ready: isReady,
    reason,
    generation,
    took,
    isAccepted,
    isFresh: nowMs - Date.parse(propagation?.startedAt ?? '') < freshMs,
    problems: [accepted, condition('ResolvedRefs'), ...(isAccepted ? [ready] : [])]
      .filter((candidate) => candidate !== undefined)
      .filter(isTrouble)
      .map(({ message = '' }) => `${kind} ${object}: ${message.replace(/\s+/g, ' ')}`),
  };
}

/** What is invalid is told by the file's diagnostics, with line and column; what is under way is no trouble. */
function isTrouble({ status, reason = '' }: Condition): boolean {
  return status === 'False' && reason !== 'Invalid' && reason !== 'Propagating';
}
