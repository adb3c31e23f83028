import type { Clock } from '../clock.ts';
import { ApiError, ConnectionError } from './api-error.ts';
import { formatRequest, type RequestInfo } from './request-info.ts';

/** What ends an {@link Attempt}. */
interface AttemptOptions {
  /** For errors. */
  readonly host: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Whichever of these aborts first ends it, with its reason. */
  readonly signals: readonly (AbortSignal | undefined)[];
}

/** One try of a request: ends with the caller's signal, its time, or the client. */
export class Attempt {
  readonly info: RequestInfo;
  readonly #host: string;
  readonly #controller = new AbortController();
  readonly #cleanups: (() => void)[] = [];
  readonly #cancelTimer: () => void;

  constructor(info: RequestInfo, { host, clock, timeoutMs, signals }: AttemptOptions) {
    this.info = info;
    this.#host = host;
    this.#cancelTimer = clock.setTimer(() => {
      this.abort(new ConnectionError(`${formatRequest(info)}: no answer from ${host} within ${timeoutMs / 1000} s`, 'ETIMEDOUT'));
    }, timeoutMs);
    for (const signal of signals) {
      if (!signal) continue;
      const onAbort = () => this.abort(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#cleanups.push(() => signal.removeEventListener('abort', onAbort));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stopTimer(): void {
    this.#cancelTimer();
  }

  /** Takes its hands off the signals. */
  end(): void {
    this.#cancelTimer();
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
  }

  abort(reason: unknown): void {
    this.end();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
  }

  /** What to tell the caller of an error that the connection threw: the reason if this attempt was ended, else what happened to it. */
  reasonFor(thrown: unknown): unknown {
    const { reason } = this.#controller.signal;
    if (reason !== undefined && reason !== thrown) return reason;
    if (thrown instanceof ApiError || thrown instanceof ConnectionError || !(thrown instanceof Error)) return thrown;
    const code = (thrown as NodeJS.ErrnoException).code ?? '';
    // What is no fault of the connection stays as it is.
    if (code === '' && thrown.message !== 'aborted') return thrown;
    const message = `${formatRequest(this.info)}: connection to ${this.#host}: ${thrown.message || code}`;
    return new ConnectionError(message, code || 'ECONNRESET', { isUnsent: unsentCodes.has(code), cause: thrown });
  }
}

const unsentCodes = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
