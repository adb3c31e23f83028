import { formatRequest, type RequestInfo } from './request-info.ts';

/** What the API server says in a `Status` besides the message. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  readonly retryAfterSeconds?: number;
}

/** What an {@link ApiError} is made of. */
export interface ApiErrorInit {
  /** HTTP status, or the `code` of an ERROR event of a watch. */
  readonly status: number;
  /** Kubernetes' reason: `NotFound`, `Conflict`, `Expired`, `Forbidden`, …; empty if the answer was no `Status`. */
  readonly reason: string;
  /** The API server's own words. */
  readonly message: string;
  readonly request: RequestInfo;
  readonly details?: StatusDetails;
  readonly retryAfterMs?: number;
}

/** The API server answered, and refused. {@link ConnectionError} is for when it did not answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly reason: string;
  readonly request: RequestInfo;
  readonly details: StatusDetails | undefined;
  /** How long the API server asks to wait before the next try; undefined if it does not say. */
  readonly retryAfterMs: number | undefined;
  /** The message of the answer alone, without the request. */
  readonly serverMessage: string;

  constructor({ status, reason, message, request, details, retryAfterMs }: ApiErrorInit) {
    super(
      `cannot ${formatRequest(request)}: ${status}${reason === '' ? '' : ` ${reason}`}: ${message}${remedy(status, request, message)}`,
    );
    this.status = status;
    this.reason = reason;
    this.request = request;
    this.details = details;
    this.retryAfterMs = retryAfterMs;
    this.serverMessage = message;
  }
}

function remedy(status: number, { resource }: RequestInfo, message: string): string {
  const missing = status === 403 ? missingVerb(message) : undefined;
  return missing === undefined ? '' : `; grant this user the verb "${missing}" on ${resource} in a Role or ClusterRole`;
}

/**
 * What the API server's authorizer says is not allowed; undefined where another one refuses, whom no permission would move: a webhook,
 * a policy, a quota, the end of the namespace. An apply that makes the object needs `create` too, so the request does not say it.
 */
function missingVerb(message: string): string | undefined {
  return /\bcannot ([a-z]+) (?:resource|path)\b/.exec(message)?.[1];
}

/** No answer, or half of one: the connection could not be made, broke, or took too long. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** Node's: `ECONNREFUSED`, `ECONNRESET`, …; `ETIMEDOUT` when the time allowed was over. */
  readonly code: string;
  /** True if the request cannot have reached the API server. */
  readonly isUnsent: boolean;

  constructor(message: string, code: string, options: { isUnsent?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.isUnsent = options.isUnsent ?? false;
  }
}

const hasStatus = (error: unknown, ...statuses: number[]): error is ApiError =>
  error instanceof ApiError && statuses.includes(error.status);

/** 404: the object, or the kind itself, is not there. */
export const isNotFound = (error: unknown): error is ApiError => hasStatus(error, 404);

/** 409 because the object has changed since it was read (or a server-side apply met another manager's field); not: exists already. */
export const isConflict = (error: unknown): error is ApiError => hasStatus(error, 409) && error.reason !== 'AlreadyExists';

/** 409 on create: an object of this name is there. */
export const isAlreadyExists = (error: unknown): error is ApiError => hasStatus(error, 409) && error.reason === 'AlreadyExists';

/** 410: the resource version or continue token is too old; list anew. */
export const isGone = (error: unknown): error is ApiError => hasStatus(error, 410);

/** 429: the API server sheds load. */
export const isTooManyRequests = (error: unknown): error is ApiError => hasStatus(error, 429);

/** 403, whoever refuses: the authorizer, an admission webhook or policy, a quota, a namespace that is being deleted. */
export const isForbidden = (error: unknown): error is ApiError => hasStatus(error, 403);

/** 403 because this user lacks a permission (RBAC): it holds for every such request. The message names verb and resource. */
export const lacksPermission = (error: unknown): error is ApiError =>
  isForbidden(error) && missingVerb(error.serverMessage) !== undefined;

/** 403 because the namespace is being deleted: nothing can be made there any more. */
export const isNamespaceTerminating = (error: unknown): error is ApiError =>
  isForbidden(error) && (error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') ?? false);

/** 422 or 400: the API server will never accept this object. */
export const isInvalid = (error: unknown): error is ApiError => hasStatus(error, 400, 422);

/** The value, or undefined if the object is not there: `await ignoreNotFound(client.delete(kind, name))`. */
export async function ignoreNotFound<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Makes the error of an answer. `body` is what it said, a `Status` or anything else; `retryAfter` the header of that name. */
export function toApiError(status: number, body: unknown, request: RequestInfo, retryAfter?: string): ApiError {
  const said = (typeof body === 'object' && body !== null ? body : {}) as {
    message?: string;
    reason?: string;
    details?: StatusDetails;
  };
  const text = typeof body === 'string' ? body.trim().slice(0, 1024) : '';
  return new ApiError({
    status,
    reason: said.reason ?? '',
    message: said.message ?? (text === '' ? 'no message' : text),
    request,
    details: said.details,
    retryAfterMs: parseRetryAfter(retryAfter) ?? secondsToMs(said.details?.retryAfterSeconds),
  });
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
}

/** RFC 9110 10.2.3, seconds only: the API server sends no dates. */
function parseRetryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) * 1000 : undefined;
}
