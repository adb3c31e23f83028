/** What a child process can be asked to do: one argument, one answer, both as structured clones. */
// biome-ignore lint/suspicious/noExplicitAny: any function of one argument
export type Operations = Record<string, (argument: any) => unknown>;

export interface Call {
  readonly id: number;
  readonly operation: string;
  readonly argument: unknown;
}

export type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** Answers the driver's calls until it goes away. */
export function serve(operations: Operations): void {
  process.on('message', async ({ id, operation, argument }: Call) => {
    let answer: Answer;
    try {
      answer = { id, result: await operations[operation]!(argument) };
    } catch (error) {
      answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send!(answer);
  });
  process.on('disconnect', () => process.exit());
}
