import { describeRequest, type RequestInfo } from '../client/request-info.ts';

/** A request that passes through a fault proxy, as a fault may choose it: RBAC's verb, resource and object besides. */
export interface ProxiedRequest extends RequestInfo {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
}

interface FaultScope {
  /** Which requests it befalls. Default: all that the fault is possible for. */
  readonly match?: (request: ProxiedRequest) => boolean;
  /** How many requests (for {@link EventFault}: events) it befalls. Default: all until it is removed. */
  readonly times?: number;
}

/** What may go wrong with a request. */
export type RequestFault = FaultScope &
  (
    | {
        /** Answered by the proxy with a `Status`: 410 `Expired`, 429, 500, 503, … */
        readonly type: 'status';
        readonly status: number;
        readonly retryAfterSeconds?: number;
      }
    /** Never answered; the connection stays open. */
    | { readonly type: 'hang' }
    /** The connection is reset in place of an answer. */
    | { readonly type: 'reset' }
    /** Passed on after `delayMs`. */
    | { readonly type: 'latency'; readonly delayMs: number }
    | {
        /** Passed on when the promise settles that `until` gives: it is called when there is something to hold. */
        readonly type: 'hold';
        readonly until: () => Promise<unknown>;
        /** `answer`: the API server is asked at once, and what it says grows old on the way back. */
        readonly of: 'request' | 'answer';
      }
  );

/** What may go wrong with the events of a watch, one that is open already too. */
export type EventFault = FaultScope & {
  /**
   * - `cut`: half of the event's line, then the connection is reset.
   * - `lose`: the event is left out, and the watch goes on as if nothing were missing.
   * - `expire`: in its place comes an ERROR event of 410, and the watch ends.
   * - `stall`: from it on nothing comes any more; the connection stays open.
   */
  readonly type: 'cut' | 'lose' | 'expire' | 'stall';
  /** Default: events of every type. */
  readonly event?: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
};

/** What a fault proxy is to do wrong. */
export type Fault = RequestFault | EventFault;

/** A fault that is in force. */
export interface ActiveFault {
  /** How many requests or events it has befallen. */
  readonly hits: number;
  /** Ends it; what hangs or stalls goes on doing so. */
  remove(): void;
}

interface Registered {
  readonly fault: Fault;
  hits: number;
}

/** The faults in force, the earliest first. */
export class FaultList {
  readonly #registered = new Set<Registered>();

  add(fault: Fault): ActiveFault {
    const registered: Registered = { fault, hits: 0 };
    this.#registered.add(registered);
    return {
      get hits() {
        return registered.hits;
      },
      remove: () => void this.#registered.delete(registered),
    };
  }

  clear(): void {
    this.#registered.clear();
  }

  /** The fault that befalls this request; it is counted. */
  takeForRequest(request: ProxiedRequest): RequestFault | undefined {
    return this.#take((fault): fault is RequestFault => !isEventFault(fault), request);
  }

  /** The fault that befalls this event of a watch; it is counted. */
  takeForEvent(request: ProxiedRequest, type: string): EventFault | undefined {
    const matches = (fault: Fault): fault is EventFault =>
      isEventFault(fault) && (fault.event === undefined || fault.event === type);
    return this.#take(matches, request);
  }

  #take<F extends Fault>(isCandidate: (fault: Fault) => fault is F, request: ProxiedRequest): F | undefined {
    for (const registered of this.#registered) {
      const { fault } = registered;
      if (!isCandidate(fault) || registered.hits >= (fault.times ?? Number.POSITIVE_INFINITY)) continue;
      if (fault.match && !fault.match(request)) continue;
      registered.hits++;
      return fault;
    }
    return undefined;
  }
}

/** Reads what a request is about. */
export function describeProxied(method: string, url: string): ProxiedRequest {
  const [path = '', query = ''] = url.split('?', 2);
  const isWatch = ['true', '1'].includes(new URLSearchParams(query).get('watch') ?? '');
  return { ...describeRequest(method, path, isWatch), method, url };
}

const isEventFault = (fault: Fault): fault is EventFault => ['cut', 'lose', 'expire', 'stall'].includes(fault.type);
