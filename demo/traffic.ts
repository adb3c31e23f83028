import { setTimeout as sleep } from 'node:timers/promises';
import { type Call, type CallAnswer, makeCall } from '../e2e/env/client.ts';
import type { Route } from './plan.ts';

/** What came of one request. */
export interface Outcome {
  /** The service that answered; undefined: none did. */
  readonly by: string | undefined;
  /** The HTTP status, `ok` for TCP, or an error: `ECONNREFUSED`. */
  readonly code: string;
}

/** How the requests to one host have fared. */
export interface RouteTraffic {
  readonly host: string;
  /** The newest {@link windowSize}, oldest first. */
  readonly recent: readonly Outcome[];
  /** Requests that a service has answered since the start. */
  readonly answered: number;
  /** Undefined: none has failed. */
  readonly lastFailure: { readonly text: string; readonly atMs: number } | undefined;
}

/** How many requests to a host are looked back upon. */
export const windowSize = 20;
/** Pause between two requests to a host, in milliseconds: the window then spans 5 s. */
const intervalMs = 250;
const timeoutMs = 2000;

export interface TrafficOptions {
  /** Default: a real call over the network. */
  readonly call?: (call: Call) => Promise<CallAnswer>;
  /** Waits between requests. Default: for 250 ms, in real time. */
  readonly pause?: (signal: AbortSignal) => Promise<unknown>;
  readonly nowMs?: () => number;
}

/** A steady trickle of requests to every host, each host in a lane of its own. */
export class Traffic {
  readonly #lanes: Lane[];
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(routes: readonly Route[], options: TrafficOptions = {}) {
    const { pause = (signal) => sleep(intervalMs, undefined, { signal }) } = options;
    this.#lanes = routes.map((route) => new Lane(route, options));
    this.#running = Promise.all(this.#lanes.map((lane) => lane.run(this.#stopping.signal, pause)));
  }

  /** The state of each host's lane, in the order of the routes. */
  routes(): RouteTraffic[] {
    return this.#lanes.map((lane) => lane.state());
  }

  /** Sends nothing more, and resolves when the last answers are in. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }
}

class Lane {
  readonly #route: Route;
  readonly #call: NonNullable<TrafficOptions['call']>;
  readonly #nowMs: () => number;
  readonly #recent: Outcome[] = [];
  #answered = 0;
  #lastFailure: RouteTraffic['lastFailure'];

  constructor(route: Route, { call = makeCall, nowMs = Date.now }: TrafficOptions) {
    this.#route = route;
    this.#call = call;
    this.#nowMs = nowMs;
  }

  async run(signal: AbortSignal, pause: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const { host, address, protocol } = this.#route;
    while (!signal.aborted) {
      this.#take(await this.#call({ protocol, to: address, host, timeoutMs }));
      await pause(signal).catch(() => {});
    }
  }

  state(): RouteTraffic {
    const { host } = this.#route;
    return { host, recent: [...this.#recent], answered: this.#answered, lastFailure: this.#lastFailure };
  }

  #take(answer: CallAnswer): void {
    const outcome = this.#route.protocol === 'tcp' ? tcpOutcome(answer) : httpOutcome(answer);
    this.#recent.push(outcome);
    if (this.#recent.length > windowSize) this.#recent.shift();
    if (outcome.by !== undefined) this.#answered++;
    else this.#lastFailure = { text: describeFailure(answer), atMs: this.#nowMs() };
  }
}

function httpOutcome({ status, echo, error }: CallAnswer): Outcome {
  if (error !== undefined) return { by: undefined, code: error };
  return { by: status < 400 ? echo?.name : undefined, code: String(status) };
}

/** The service greets with its name. */
function tcpOutcome({ body, error }: CallAnswer): Outcome {
  return error === undefined ? { by: body.split('\n')[0], code: 'ok' } : { by: undefined, code: error };
}

function describeFailure({ status, body, error }: CallAnswer): string {
  if (error !== undefined) return error;
  return `${status} ${body.replace(/\s+/g, ' ').trim()}`.trim();
}
