import type { LabelSelector } from '../cache/label-selector.ts';
import type { Clock } from '../clock.ts';
import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import { ConnectionError, type StatusDetails, toApiError } from './api-error.ts';
import { JsonLines } from './json-lines.ts';
import { describeRequest, formatRequest } from './request-info.ts';
import { resourcePath } from './resource-path.ts';
import type { RestClient } from './rest-client.ts';
import { formatSelector } from './selector-query.ts';

/** What a watch says of one object. A BOOKMARK carries a resource version only: everything up to it has been told. */
export interface WatchEvent<T extends KubernetesObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface WatchOptions {
  /** The watch tells what happened after it. */
  readonly resourceVersion: string;
  readonly namespace?: string;
  readonly labelSelector?: LabelSelector;
  readonly fieldSelector?: string;
  /** When the API server is to end the watch. */
  readonly timeoutMs: number;
  /** How much later than that the watch counts as hung. */
  readonly graceMs: number;
  /** After this long without a byte the watch is ended from here: a connection that lost its other end looks the same as a quiet kind. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Called when the API server has accepted the watch. */
  readonly onOpen?: () => void;
}

interface WatchLine {
  readonly type?: string;
  readonly object?: unknown;
}

/**
 * The events of a watch as they come, until the API server ends it or it falls silent. Throws `ApiError` if it refuses, at first or by an ERROR event
 * (410: the resource version is too old), and `ConnectionError` if the connection breaks, does not end in time, or says what is no watch.
 * An event that was cut off is not given: a watch from the last resource version tells it again.
 */
export async function* watchEvents<T extends KubernetesObject>(
  rest: RestClient,
  kind: ResourceKind<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const path = resourcePath(kind, options.namespace);
  const info = describeRequest('GET', path, true);
  const guard = new WatchGuard(options, formatRequest(info));
  let isOpen = false;
  try {
    const stream = await rest.stream({
      path,
      query: {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        // The API server takes whole seconds; 0 would be its own choice.
        timeoutSeconds: Math.max(1, Math.ceil(options.timeoutMs / 1000)),
        labelSelector: formatSelector(options.labelSelector),
        fieldSelector: options.fieldSelector,
      },
      signal: guard.signal,
      maxRetries: 0,
    });
    isOpen = true;
    options.onOpen?.();
    const lines = new JsonLines();
    for await (const chunk of stream.chunks) {
      guard.heard();
      for (const value of readLines(lines, chunk, formatRequest(info))) {
        const { type, object } = value as WatchLine;
        if (type === 'ERROR') {
          const status = (object ?? {}) as { code?: number; details?: StatusDetails };
          throw toApiError(status.code ?? 500, object, info);
        }
        yield value as WatchEvent<T>;
      }
    }
    if (lines.unfinishedBytes > 0) {
      throw new ConnectionError(`${formatRequest(info)}: the answer ended in the middle of an event`, 'ECONNRESET');
    }
  } catch (error) {
    if (!isOpen || error !== guard.silence) throw error;
  } finally {
    guard.end();
  }
}

function* readLines(lines: JsonLines, chunk: Buffer, what: string): Generator<unknown, void, undefined> {
  try {
    for (const value of lines.push(chunk)) {
      if (typeof (value as WatchLine | null)?.object !== 'object') throw new SyntaxError('a line without an object');
      yield value;
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new ConnectionError(`${what}: the answer is no watch: ${cause.message}`, 'EPROTO', { cause });
  }
}

/** Ends a watch that has outlived its time or fallen silent. */
class WatchGuard {
  readonly #options: WatchOptions;
  readonly #controller = new AbortController();
  readonly #onAbort: () => void;
  /** The reason with which it ends a watch that fell silent. */
  readonly silence: ConnectionError;
  readonly #cancelEnd: () => void;
  #cancelSilence: () => void = () => {};
  #heardMs: number;

  constructor(options: WatchOptions, what: string) {
    const { clock, timeoutMs, graceMs, signal } = options;
    this.#options = options;
    this.silence = new ConnectionError(`${what}: silent for ${options.silenceMs / 1000} s`, 'ETIMEDOUT');
    this.#heardMs = clock.monotonicMs();
    this.#onAbort = () => this.#controller.abort(signal.reason);
    if (signal.aborted) this.#onAbort();
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#cancelEnd = clock.setTimer(() => {
      this.#controller.abort(new ConnectionError(`${what}: hung: not ended ${graceMs / 1000} s after its time`, 'ETIMEDOUT'));
    }, timeoutMs + graceMs);
    this.#listen(options.silenceMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A byte came. One timer serves all: it looks at the time when it comes due. */
  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
  }

  end(): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#cancelEnd();
    this.#cancelSilence();
    // Whoever stops reading early closes the connection, too.
    if (!this.#controller.signal.aborted) this.#controller.abort(new ConnectionError('closed', 'ECANCELED'));
  }

  #listen(delayMs: number): void {
    this.#cancelSilence = this.#options.clock.setTimer(() => {
      const leftMs = this.#heardMs + this.#options.silenceMs - this.#options.clock.monotonicMs();
      if (leftMs > 0) this.#listen(leftMs);
      else this.#controller.abort(this.silence);
    }, delayMs);
  }
}
