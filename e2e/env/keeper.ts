/** Something that a test starts and must end. */
type Endable = { stop(): Promise<unknown> } | { close(): Promise<unknown> };

/** Ends what a test started, the newest first, however the test ends. */
export interface Keeper {
  /** Notes a thing for the end and gives it back. */
  keep<T extends Endable>(thing: Promise<T> | T): Promise<T>;
  /** Notes something to do at the end. */
  defer(action: () => unknown): void;
  /** Ends everything noted so far; what fails does not keep the rest from ending. */
  release(): Promise<void>;
}

/** Makes a keeper; release it in `afterEach` or `afterAll`. It may be used again afterwards. */
export const createKeeper = (): Keeper => {
  let stack = new AsyncDisposableStack();
  return {
    keep: async (thing) => stack.adopt(await thing, async (kept) => void (await ('stop' in kept ? kept.stop() : kept.close()))),
    defer: (action) => stack.defer(async () => void (await action())),
    release: async () => {
      const ending = stack;
      stack = new AsyncDisposableStack();
      await ending.disposeAsync();
    },
  };
};
