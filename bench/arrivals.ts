import type { LightResponse } from './light-proxy/read-response.ts';

/** A resource whose coming, or going, shows that a change has arrived. */
export interface Mark {
  readonly typeUrl: string;
  readonly name: string;
}

/** A change on its way to a set of clients: arrived at each when it has acknowledged every mark. */
export class MarkedChange {
  /** When the last client had acknowledged its last mark. */
  readonly arrived: Promise<number>;
  readonly #marks: readonly Mark[];
  readonly #clients: ReadonlySet<object>;
  readonly #missing: Map<object, Set<Mark>>;
  readonly #resolve: (atMs: number) => void;

  constructor(marks: readonly Mark[], clients: readonly object[]) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.arrived = promise;
    this.#resolve = resolve;
    this.#marks = marks;
    this.#clients = new Set(clients);
    this.#missing = new Map(clients.map((client) => [client, new Set(marks)]));
  }

  /** Whether the change is expected at a client. */
  concerns(client: object): boolean {
    return this.#clients.has(client);
  }

  /** What is missing. */
  toString(): string {
    const marks = new Set(this.#missing.values().flatMap((missing) => [...missing]));
    return `${Array.from(marks, ({ name }) => name).join(', ')} at ${this.#missing.size} of ${this.#clients.size}`;
  }

  /** A client has acknowledged a response. */
  note(client: object, { typeUrl, resources, removed }: LightResponse, atMs: number): void {
    const missing = this.#missing.get(client);
    if (!missing) return;
    for (const mark of this.#marks) {
      if (mark.typeUrl === typeUrl && (resources.has(mark.name) || removed.includes(mark.name))) missing.delete(mark);
    }
    if (missing.size > 0) return;
    this.#missing.delete(client);
    if (this.#missing.size === 0) this.#resolve(atMs);
  }
}

/** A round of pushes that all clients get alike: arrived when each has acknowledged a number of responses. */
export class PushRound {
  /** When the last client had acknowledged its last response. */
  readonly arrived: Promise<number>;
  readonly #resolve: (atMs: number) => void;
  #missing: number;

  constructor(clients: number, responsesEach: number) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.arrived = promise;
    this.#resolve = resolve;
    this.#missing = clients * responsesEach;
  }

  /** A client has acknowledged a response. */
  note(atMs: number): void {
    this.#missing--;
    if (this.#missing === 0) this.#resolve(atMs);
  }
}
