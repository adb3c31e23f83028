import { status } from '@grpc/grpc-js';

/** Ends one proxy's stream with a gRPC status; the message is for the person who reads the proxy's log. */
export class StreamError extends Error {
  override readonly name = 'StreamError';
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** The client broke the protocol: the same request would fail again. */
export function invalidArgument(message: string): StreamError {
  return new StreamError(status.INVALID_ARGUMENT, message);
}

/** The client may come back at once, to this replica or another. */
export function unavailable(message: string): StreamError {
  return new StreamError(status.UNAVAILABLE, message);
}

/** The client asks for more than one proxy may. */
export function resourceExhausted(message: string): StreamError {
  return new StreamError(status.RESOURCE_EXHAUSTED, message);
}

/** The client did not do in time what a proxy does at once. */
export function deadlineExceeded(message: string): StreamError {
  return new StreamError(status.DEADLINE_EXCEEDED, message);
}

/** Another stream has taken this one's place. */
export function aborted(message: string): StreamError {
  return new StreamError(status.ABORTED, message);
}

/** Nobody can tell who the client is. */
export function unauthenticated(message: string): StreamError {
  return new StreamError(status.UNAUTHENTICATED, message);
}

/** The client is known, and asks for what is not its own. */
export function permissionDenied(message: string): StreamError {
  return new StreamError(status.PERMISSION_DENIED, message);
}
