import { CommandError } from './command-error.ts';

/** The address of the status port where `--address` is not given. */
export const defaultAddress = '127.0.0.1:15014';

/**
 * Asks a control plane's status port. Undefined: it has no such thing (404).
 * Throws a {@link CommandError} when nothing listens there, or it answers with an error.
 */
export async function ask<T>(address: string, path: string): Promise<T | undefined> {
  let response: Response;
  try {
    response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(10_000) });
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
    throw new CommandError(
      `no control plane answers at ${address}: ${reason}. Start one with \`weft standalone\`, or say where it is with --address HOST:PORT`,
      1,
      cause,
    );
  }
  if (response.status === 404) return undefined;
  if (!response.ok) throw new CommandError(`${address}${path} answered ${response.status}: ${(await response.text()).trim()}`);
  return (await response.json()) as T;
}
