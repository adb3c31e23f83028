import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createLogger, type Logger } from '../src/runtime/logger.ts';

/** A log in a file, one JSON object a line: the terminal is taken by the live view. */
export interface LogFile {
  readonly logger: Logger;
  close(): Promise<void>;
}

/** Opens the log anew; what an earlier run wrote is gone. */
export function openLogFile(path: string): LogFile {
  mkdirSync(dirname(path), { recursive: true });
  const stream = createWriteStream(path);
  return {
    logger: createLogger({ format: 'json', stream }),
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}
