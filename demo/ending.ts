/** `npm` hands a Ctrl-C on to the process that the terminal has told already: what follows this soon is the same one. */
const samePressMs = 500;

/**
 * A signal that aborts when the demo is to end: Ctrl-C, SIGTERM, the terminal gone, or the reader of its output.
 * A second Ctrl-C ends the process at once, with what it started.
 */
export function listenForEnd(): AbortSignal {
  const ending = new AbortController();
  let firstAtMs: number | undefined;
  const end = (): void => {
    firstAtMs ??= performance.now();
    if (performance.now() - firstAtMs > samePressMs) process.exit(130);
    ending.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  process.stdout.on('error', () => ending.abort());
  return ending.signal;
}
