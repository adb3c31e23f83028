/** Lets so many calls run at once, and a part of that for one party; the others wait, the parties' calls by turns. */
export class Permits {
  readonly #perParty: number;
  readonly #maxWaiting: number;
  readonly #running = new Map<string, number>();
  /** Those of a party in the order in which they came; the parties in that of their turns. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #waitingCalls = 0;
  #free: number;

  /** @param maxWaiting of all parties together */
  constructor(permits: number, perParty: number, maxWaiting: number) {
    this.#perParty = perParty;
    this.#maxWaiting = maxWaiting;
    this.#free = permits;
  }

  /** Runs the call when its party's turn has come. Rejects at once when too many wait already. */
  async run<T>(party: string, call: () => Promise<T>): Promise<T> {
    if (this.#mayRun(party)) this.#take(party);
    else {
      if (this.#waitingCalls >= this.#maxWaiting) throw new Error(`${this.#maxWaiting} calls are waiting already`);
      this.#waitingCalls++;
      const queue = this.#waiting.get(party) ?? [];
      this.#waiting.set(party, queue);
      await new Promise<void>((resolve) => queue.push(resolve));
    }
    try {
      return await call();
    } finally {
      this.#give(party);
    }
  }

  #mayRun(party: string): boolean {
    return this.#free > 0 && (this.#running.get(party) ?? 0) < this.#perParty;
  }

  #take(party: string): void {
    this.#free--;
    this.#running.set(party, (this.#running.get(party) ?? 0) + 1);
  }

  #give(party: string): void {
    this.#free++;
    const left = this.#running.get(party)! - 1;
    if (left > 0) this.#running.set(party, left);
    else this.#running.delete(party);
    for (const [next, queue] of this.#waiting) {
      if (!this.#mayRun(next)) continue;
      const start = queue.shift()!;
      this.#waitingCalls--;
      this.#waiting.delete(next);
      // Behind the others: it has had its turn.
      if (queue.length > 0) this.#waiting.set(next, queue);
      this.#take(next);
      start();
      return;
    }
  }
}
