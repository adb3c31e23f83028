/** How long things hold, in milliseconds. Authorities and certificates are replaced when two thirds of their time are over. */
export interface AuthorityTimes {
  readonly caLifetimeMs: number;
  readonly certificateLifetimeMs: number;
  /**
   * How long a new authority is trusted before it issues, and an old one after it has: longer than a ConfigMap needs to reach every
   * pod and `caBundle` every API server.
   */
  readonly caOverlapMs: number;
}

const dayMs = 24 * 3_600_000;

/** Ten years, 90 days, one day. */
export const defaultAuthorityTimes: AuthorityTimes = {
  caLifetimeMs: 3650 * dayMs,
  certificateLifetimeMs: 90 * dayMs,
  caOverlapMs: dayMs,
};
