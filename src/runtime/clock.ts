/** Time as the runtime sees it, injected so that tests of queues and debouncing run without sleeping. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds from an arbitrary start, never going back: for measuring durations. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. Does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
