import { ApiError } from '../client/api-error.ts';

/** What went wrong between a reflector and the API server, and what follows from it. */
export interface ReflectorProblem {
  /** A constant message for the log. */
  readonly message: string;
  /**
   * - `resume`: watch on from the last resource version.
   * - `relist`: what happened in between is lost to the watch; list anew.
   */
  readonly remedy: 'resume' | 'relist';
  /** The kind is not served: its CRD is not there (yet). */
  readonly isMissing: boolean;
  /** How long the API server asks to wait; 0 if it does not. */
  readonly retryAfterMs: number;
}

/** Judges an error of a list or a watch. Never throws. */
export function judgeProblem(error: unknown): ReflectorProblem {
  const retryAfterMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  const say = (message: string, remedy: ReflectorProblem['remedy'], isMissing = false): ReflectorProblem => ({
    message,
    remedy,
    isMissing,
    retryAfterMs,
  });
  if (!(error instanceof ApiError)) return say('The connection to the API server failed; trying again', 'resume');
  switch (error.status) {
    case 410:
      return say('The watch fell behind what the API server remembers; listing anew', 'relist');
    case 403:
      return say('The API server does not permit this; trying again until it does', 'relist');
    case 401:
      return say('The API server does not know this user; trying again', 'resume');
    case 404:
      return say('The API server does not serve this kind; waiting until it does. Install its CRD', 'relist', true);
    case 408:
    case 429:
      return say('The API server is busy; trying again', 'resume');
    default: {
      // `Too large resource version`: this API server has not got so far, or the cluster was restored from a backup.
      const isAhead = error.details?.causes?.some(({ reason }) => reason === 'ResourceVersionTooLarge') ?? false;
      const remedy = error.status < 500 || isAhead ? 'relist' : 'resume';
      return say('The API server failed; trying again', remedy);
    }
  }
}
