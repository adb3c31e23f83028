import winston from 'winston';
import { renderError, renderFields } from './log-fields.ts';

/** Least severe last. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Anything that explains the message; rendered by {@link createLogger}, errors with stack and cause. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A constant message and fields: the message says what happened and can be searched for, the fields say to what. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** The least severe level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** `text`: coloured lines for people; `json`: one JSON object a line. Default `auto`: text if `stream` is a terminal, JSON otherwise. */
  readonly format?: 'auto' | 'text' | 'json';
  /** Default: the process's standard error, so that standard output stays free for answers. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** A logger on winston. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const stream = options.stream ?? process.stderr;
  const format = options.format ?? 'auto';
  const asText = format === 'text' || (format === 'auto' && stream.isTTY === true);
  const colour = asText && stream.isTTY === true && !process.env.NO_COLOR;
  const root = winston.createLogger({
    level: options.level ?? 'info',
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((info) => {
      const record = info as unknown as LogRecord;
      return asText ? formatText(record, colour) : formatJson(record);
    }),
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
  return new WinstonLogger(root, {});
}

/** Writes nothing: for tests and for parts whose log nobody wants. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silentLogger,
};

interface LogRecord {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

class WinstonLogger implements Logger {
  readonly #root: winston.Logger;
  readonly #fields: LogFields;

  constructor(root: winston.Logger, fields: LogFields) {
    this.#root = root;
    this.#fields = fields;
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }

  child(fields: LogFields): Logger {
    return new WinstonLogger(this.#root, { ...this.#fields, ...fields });
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (!this.#root.isLevelEnabled(level)) return;
    this.#root.log({ level, message, fields: fields ? { ...this.#fields, ...fields } : this.#fields } as winston.LogEntry);
  }
}

const reservedKeys = new Set(['timestamp', 'level', 'message']);

function formatJson({ level, message, fields }: LogRecord): string {
  const line: Record<string, unknown> = { timestamp: new Date().toISOString(), level, message };
  for (const [key, value] of Object.entries(renderFields(fields))) line[reservedKeys.has(key) ? `${key}_` : key] = value;
  return JSON.stringify(line);
}

const levelColours: Record<string, string> = { error: '\x1b[31m', warn: '\x1b[33m', info: '\x1b[32m', debug: '\x1b[34m' };
const dim = '\x1b[2m';
const plain = '\x1b[0m';

function formatText({ level, message, fields }: LogRecord, colour: boolean): string {
  const paint = (code: string, text: string) => (colour && text !== '' ? `${code}${text}${plain}` : text);
  const time = new Date().toISOString().slice(11, 23);
  const pairs: string[] = [];
  const errors: string[] = [];
  for (const value of Object.values(fields)) {
    if (value instanceof Error) errors.push(renderError(value).replaceAll('\n', '\n    '));
  }
  for (const [key, value] of Object.entries(renderFields(fields))) {
    if (!(fields[key] instanceof Error) && value !== undefined) pairs.push(`${key}=${formatValue(value)}`);
  }
  const head = `${paint(dim, time)} ${paint(levelColours[level] ?? '', level.toUpperCase().padEnd(5))} ${message}`;
  const tail = pairs.length > 0 ? ` ${paint(dim, pairs.join(' '))}` : '';
  return [head + tail, ...errors].join('\n    ');
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? String(value);
}
