/**
 * Finds the culprits of a refused response whose message names none: its resources are sent again in halves,
 * until what is refused is one resource alone. What is not to blame takes effect on the way.
 */
export class Isolation {
  readonly #limit: number;
  #groups: (readonly string[])[] = [];
  #attempts = 0;

  /** `limit`: responses spent on one refusal before all that is left is taken to be refused. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Groups are waiting to be sent. */
  get waiting(): boolean {
    return this.#groups.length > 0;
  }

  /** Starts over with these names, or halves a group of a search under way. False: the search has cost enough, give it up. */
  divide(names: readonly string[]): boolean {
    if (this.#attempts >= this.#limit) return false;
    const middle = Math.ceil(names.length / 2);
    const halves = [names.slice(0, middle), names.slice(middle)].filter((half) => half.length > 0);
    this.#groups.unshift(...halves);
    return true;
  }

  /** The next group to send alone. */
  next(): readonly string[] | undefined {
    const group = this.#groups.shift();
    if (group) this.#attempts++;
    return group;
  }

  /** A response has been settled; once nothing waits the next refusal may spend the whole limit again. */
  settle(): void {
    if (!this.waiting) this.#attempts = 0;
  }
}
