/** What {@link setupSignalHandler} needs of a process. */
export interface SignalReceiver {
  on(event: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  exit(code: number): void;
}

/** Who has handlers already. */
const handled = new WeakSet<SignalReceiver>();

/**
 * A signal for `Manager.start` that aborts on the first SIGTERM or SIGINT. The second one ends the process with exit code 1, for
 * whoever does not want to wait for a graceful stop. Throws when called a second time.
 * @param receiver default: this process
 */
export function setupSignalHandler(receiver: SignalReceiver = process): AbortSignal {
  if (handled.has(receiver)) throw new Error('setupSignalHandler was called twice; call it once and pass its signal on');
  handled.add(receiver);
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) receiver.exit(1);
    else stop.abort(new Error(`received ${signal}`));
  };
  receiver.on('SIGTERM', onSignal);
  receiver.on('SIGINT', onSignal);
  return stop.signal;
}
