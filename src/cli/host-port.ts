import { CommandError } from './command-error.ts';

/** Where to listen. */
export interface HostPort {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT`, `[V6]:PORT` or `:PORT` (every address); throws a {@link CommandError} that names the flag. */
export function parseHostPort(text: string, flag: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535)
    throw new CommandError(`${flag} ${text}: expected HOST:PORT, such as 127.0.0.1:15010 or [::1]:15010`);
  return { host: match[1] ?? (match[2] || '::'), port };
}
