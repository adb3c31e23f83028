import type { LogFields, Logger } from '../logger.ts';

/** A line of a log. */
export interface LoggedLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps every line. */
export function logInto(lines: LoggedLine[], own: LogFields = {}): Logger {
  const write = (level: LoggedLine['level']) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields: { ...own, ...fields } });
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (fields) => logInto(lines, { ...own, ...fields }),
  };
}
