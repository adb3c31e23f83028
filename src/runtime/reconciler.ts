import type { Logger } from './logger.ts';
import type { ObjectName } from './object.ts';

/** What is to be reconciled: a name, never an event. The reconciler reads the present state from the cache. */
export interface Request {
  /** `namespace/name`, or `name` for cluster-scoped objects; `parseObjectName` splits it. */
  readonly name: ObjectName;
}

/** What follows a reconcile that did not fail; `{}` when nothing does. */
export interface Result {
  /** Reconcile again after this many milliseconds even if nothing changes. Default: not. Ignored if the reconcile throws. */
  readonly requeueAfterMs?: number;
  /** Priority of the requeue. Default: that of the request. */
  readonly priority?: number;
}

/** What a reconciler is given besides the request. */
export interface ReconcileContext {
  /** Aborts when the controller stops or the reconcile has taken longer than its timeout. */
  readonly signal: AbortSignal;
  /** Carries controller, namespace, name and reconcileID. */
  readonly logger: Logger;
  /** Distinct for each call. */
  readonly reconcileID: string;
}

/**
 * Makes the world match the object of a request. Level-based: it may be called at any time, for objects that are gone too,
 * and finds out from the present state what to do. To throw (or reject) means to be tried again with growing delays;
 * {@link TerminalError} means that trying again cannot help until the object changes.
 */
export interface Reconciler {
  reconcile(request: Request, context: ReconcileContext): Result | Promise<Result>;
}

/** A reconciler made of a function. */
export function reconcilerOf(reconcile: Reconciler['reconcile']): Reconciler {
  return { reconcile };
}

/** A failure that is counted and logged, but not retried. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

/** True for a {@link TerminalError} and for an error with one among its causes, or among those that it joins. */
export function isTerminal(error: unknown): boolean {
  const found = new Set<unknown>([error]);
  for (const each of found) {
    if (each instanceof TerminalError) return true;
    if (each instanceof AggregateError) for (const joined of each.errors) found.add(joined);
    if (each instanceof Error) found.add(each.cause);
  }
  return false;
}
