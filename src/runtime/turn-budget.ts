/**
 * Keeps a loop that never waits from starving everything else of the process: sockets and timers get their turn when the loop has
 * run for `budgetMs`, and no turn of the event loop is paid per item. Several loops may share one budget.
 */
export class TurnBudget {
  readonly #budgetMs: number;
  #turnStartedMs = performance.now();
  #turn: Promise<void> | undefined;

  /** Default 5 ms. */
  constructor(budgetMs = 5) {
    this.#budgetMs = budgetMs;
  }

  /** True if the loop has to await {@link yield} before its next item. */
  get spent(): boolean {
    return this.#turn !== undefined || performance.now() - this.#turnStartedMs >= this.#budgetMs;
  }

  /** Resolves in the event loop's next turn; those who share the budget go on together. */
  yield(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        this.#turnStartedMs = performance.now();
        resolve();
      });
    });
    return this.#turn;
  }
}
