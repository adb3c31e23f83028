import { createHash } from 'node:crypto';
import type { RestClient } from '../../runtime/client/rest-client.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Permits } from './permits.ts';
import { ReviewCache } from './review-cache.ts';

/** The pod that a token was issued to, and whose it is. */
export interface TokenIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: { readonly name: string; readonly uid: string };
}

/** Why a token is not believed; a label of a metric. */
export type TokenRefusal =
  | 'malformed'
  | 'expired'
  | 'invalid'
  | 'wrong_audience'
  | 'not_a_service_account'
  | 'not_bound_to_a_pod';

/** What became of a token. */
export type Review =
  | { readonly outcome: 'authenticated'; readonly identity: TokenIdentity }
  | { readonly outcome: 'refused'; readonly reason: TokenRefusal; readonly message: string };

export interface TokenReviewerOptions {
  readonly rest: Pick<RestClient, 'request'>;
  /** Whom a token must be issued for: one of these. Read at each review. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
}

/** A TokenReview's answer, as far as it is read. */
interface TokenReviewStatus {
  readonly authenticated?: boolean;
  readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  readonly audiences?: readonly string[];
  readonly error?: string;
}

/** How long an answer is believed, in milliseconds: a good one never beyond the token's end. */
const keptMs = { authenticated: 60_000, refused: 10_000 } as const;
const cacheSize = 20_000;

/** Reviews under way, of those one address's, and waiting: a start of the control plane brings every proxy at once. */
const concurrentReviews = 32;
const concurrentOfOneAddress = 8;
const waitingReviews = 20_000;

/** Longer than any service account's token. */
const maxTokenLength = 16_384;

/**
 * Asks the API server whose a service account's token is, and remembers the answer for a minute by the token's hash. Tokens that are
 * no JWT, are past their end or for someone else are refused without asking.
 */
export class TokenReviewer {
  readonly #options: TokenReviewerOptions;
  readonly #cache: ReviewCache<Review>;
  readonly #permits = new Permits(concurrentReviews, concurrentOfOneAddress, waitingReviews);
  readonly #underWay = new Map<string, Promise<Review>>();

  constructor(options: TokenReviewerOptions) {
    this.#options = options;
    this.#cache = new ReviewCache({ clock: options.clock, maxEntries: cacheSize });
  }

  /**
   * Whose the token is. Rejects if the API server cannot be asked, which says nothing about the token.
   *
   * @param from the address it came from: addresses take turns, and one has no more than a quarter of the reviews under way
   */
  async review(token: string, from = ''): Promise<Review> {
    const claims = readClaims(token);
    const nowMs = this.#options.clock.now();
    if (!claims) return refused('malformed', 'the token is not a JSON Web Token');
    if (claims.expiresAtMs !== undefined && claims.expiresAtMs <= nowMs)
      return refused('expired', `the token expired at ${new Date(claims.expiresAtMs).toISOString()}`);
    const { audiences } = this.#options;
    if (claims.audiences && !claims.audiences.some((audience) => audiences.includes(audience))) return wrongAudience(audiences);
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.#cache.get(hash) ?? this.#underWay.get(hash);
    if (known) return known;
    const asking = this.#permits.run(from, () => this.#ask(token));
    this.#underWay.set(hash, asking);
    try {
      const review = await asking;
      const endMs = claims.expiresAtMs ?? Number.POSITIVE_INFINITY;
      this.#cache.set(hash, review, Math.min(keptMs[review.outcome], endMs - nowMs));
      return review;
    } finally {
      this.#underWay.delete(hash);
    }
  }

  /** Forgets what was answered about a pod's tokens: the pod is gone. */
  forgetPod(uid: string): void {
    this.#cache.deleteWhere((review) => review.outcome === 'authenticated' && review.identity.pod.uid === uid);
  }

  async #ask(token: string): Promise<Review> {
    const { rest, audiences } = this.#options;
    const { status = {} } = await rest.request<{ status?: TokenReviewStatus }>({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } },
      // It stores nothing.
      isIdempotent: true,
      timeoutMs: 10_000,
    });
    return judge(status, audiences);
  }
}

function judge({ authenticated, user, audiences, error }: TokenReviewStatus, wanted: readonly string[]): Review {
  // The API server's error may name the token's parts, never the token.
  if (!authenticated)
    return refused('invalid', `the API server does not believe the token${error ? `: ${error.slice(0, 300)}` : ''}`);
  // Empty: the API server knows no audiences, or took the token for one of its own.
  if (!audiences?.some((audience) => wanted.includes(audience))) return wrongAudience(wanted);
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user?.username ?? '');
  if (!account) return refused('not_a_service_account', `the token is ${user?.username}'s, which is no service account`);
  const [namespace, serviceAccount] = [account[1]!, account[2]!];
  const name = user?.extra?.['authentication.kubernetes.io/pod-name']?.[0];
  const uid = user?.extra?.['authentication.kubernetes.io/pod-uid']?.[0];
  if (!name || !uid) {
    const message = `the token of service account ${namespace}/${serviceAccount} is not bound to a pod; a projected volume's is`;
    return refused('not_bound_to_a_pod', message);
  }
  return { outcome: 'authenticated', identity: { namespace, serviceAccount, pod: { name, uid } } };
}

function refused(reason: TokenRefusal, message: string): Review {
  return { outcome: 'refused', reason, message };
}

function wrongAudience(wanted: readonly string[]): Review {
  return refused('wrong_audience', `the token is not for the audience ${wanted.join(' or ')}`);
}

/** What a token says of itself, which nobody has verified: it only spares questions. Undefined: it is no JWT. */
function readClaims(token: string): { expiresAtMs?: number; audiences?: readonly string[] } | undefined {
  if (token.length > maxTokenLength) return undefined;
  const parts = token.split('.');
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]+$/.test(part))) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8')) as { exp?: unknown; aud?: unknown } | null;
    if (typeof claims !== 'object' || claims === null) return undefined;
    const { exp, aud } = claims;
    return {
      ...(typeof exp === 'number' && Number.isFinite(exp) && { expiresAtMs: Math.min(Math.max(exp * 1000, 0), 8.64e15) }),
      ...(Array.isArray(aud) && { audiences: aud.map(String) }),
    };
  } catch {
    return undefined;
  }
}
