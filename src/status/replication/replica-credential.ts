import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TokenReviewer } from '../../xds/auth/token-reviewer.ts';

/** How the replicas of one operator know each other. */
export interface ReplicaCredential {
  /** What this replica shows. Rejects with the reason if it has nothing to show. */
  present(): Promise<string>;
  /** Why another's is not believed; undefined: it is. Rejects if that cannot be told now. */
  refuse(presented: string): Promise<string | undefined>;
}

/** A secret that all replicas have. Throws when it is empty: counts decide when a change counts as done. */
export function sharedToken(token: string): ReplicaCredential {
  if (token === '') throw new Error('replication needs a token that all replicas share; it is empty');
  return {
    present: async () => token,
    refuse: async (presented) => (sameText(presented, token) ? undefined : 'the replication token is not that of this replica'),
  };
}

/** Whom the tokens of {@link podTokens} must be for. */
export const replicaAudience = 'weft.dev/replicas';

export interface PodTokensOptions {
  /** This pod's projected token for {@link replicaAudience}; read again at each use. */
  readonly file: string;
  /** Of that audience. */
  readonly reviewer: Pick<TokenReviewer, 'review'>;
}

/** The tokens that Kubernetes gives the replicas' pods: believed of the same service account as this replica's, so nothing is shared. */
export function podTokens({ file, reviewer }: PodTokensOptions): ReplicaCredential {
  const present = async () => (await readFile(file, 'utf8')).trim();
  return {
    present,
    async refuse(presented) {
      const review = await reviewer.review(presented);
      if (review.outcome === 'refused') return review.message;
      const { namespace, serviceAccount } = review.identity;
      const own = subjectOf(await present());
      const theirs = `system:serviceaccount:${namespace}:${serviceAccount}`;
      return theirs === own ? undefined : `the token is ${theirs}'s, which is not this operator's service account`;
    },
  };
}

/** Whose a token says that it is; for this process's own, which needs no proof. */
function subjectOf(token: string): unknown {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { sub?: unknown };
  return claims.sub;
}

function sameText(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
