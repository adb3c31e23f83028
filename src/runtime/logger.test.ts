import { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLogger, type LoggerOptions } from './logger.ts';

function setup(options: LoggerOptions & { isTTY?: boolean } = {}) {
  let text = '';
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    }),
    { isTTY: options.isTTY ?? false },
  );
  const logger = createLogger({ ...options, stream });
  return {
    logger,
    text: () => text,
    lines: () =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
  };
}

describe('createLogger', () => {
  it('writes JSON lines where there is no terminal, with the fields of every parent', () => {
    const { logger, lines } = setup();
    logger.child({ controller: 'c', name: 'x' }).child({ name: 'y' }).info('Done', { count: 3, none: undefined });
    expect(lines()).toEqual([
      { timestamp: expect.stringMatching(/^\d{4}-.*Z$/), level: 'info', message: 'Done', controller: 'c', name: 'y', count: 3 },
    ]);
  });

  it('writes only what the level admits', () => {
    const { logger, lines } = setup({ level: 'warn' });
    logger.info('a');
    logger.warn('b');
    logger.error('c');
    logger.debug('d');
    expect(lines().map((line) => line.message)).toEqual(['b', 'c']);
  });

  it('keeps its own keys when a field has their name', () => {
    const { logger, lines } = setup();
    logger.info('Real', { message: 'fake', level: 'fatal' });
    expect(lines()[0]).toMatchObject({ message: 'Real', level: 'info', message_: 'fake', level_: 'fatal' });
  });

  it('renders errors with stack and causes', () => {
    const { logger, lines } = setup();
    const error = Object.assign(new Error('outer', { cause: new TypeError('inner', { cause: 'root' }) }), { code: 'E1' });
    logger.error('Failed', { error });
    const rendered = lines()[0].error;
    expect(rendered).toMatchObject({
      name: 'Error',
      message: 'outer',
      code: 'E1',
      cause: { name: 'TypeError', message: 'inner', cause: 'root' },
    });
    expect(rendered.stack).toContain('logger.test.ts');
  });

  it('never throws, whatever the fields are', () => {
    const { logger, lines } = setup();
    const ring: Record<string, unknown> = { list: [] };
    ring.self = ring;
    (ring.list as unknown[]).push(ring);
    const looped = new Error('loop');
    looped.cause = looped;
    const hostile = new Proxy({}, { ownKeys: () => { throw new Error('no keys'); } }); // biome-ignore format: one thing
    logger.info('Odd', {
      ring,
      looped,
      hostile,
      big: 10n,
      nan: Number.NaN,
      symbol: Symbol('s'),
      fn: function named() {},
      map: new Map([['k', new Set([1])]]),
      bytes: Buffer.from('abc'),
      date: new Date(0),
      bad: new Date(Number.NaN),
      url: new URL('http://localhost/x'),
      long: Array.from({ length: 200 }, (_, n) => n),
      get getter(): string {
        return 'read';
      },
      inner: Object.defineProperty({}, 'boom', { enumerable: true, get() { throw new Error('bang'); } }), // biome-ignore format: one thing
    });
    expect(lines()[0]).toMatchObject({
      ring: { self: '[circular]', list: ['[circular]'] },
      looped: { message: 'loop', cause: '[circular]' },
      hostile: '[not readable: Error: no keys]',
      big: '10',
      nan: 'NaN',
      symbol: 'Symbol(s)',
      fn: '[function named]',
      map: { k: [1] },
      bytes: '[3 bytes]',
      date: '1970-01-01T00:00:00.000Z',
      bad: 'Invalid Date',
      url: 'http://localhost/x',
      inner: { boom: '[not readable: Error: bang]' },
    });
    expect(lines()[0].long).toHaveLength(101);
  });

  it('writes readable coloured lines on a terminal', () => {
    vi.stubEnv('NO_COLOR', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { logger, text } = setup({ isTTY: true });
    logger.warn('Two words', { name: 'a b', plain: 'x', list: [1], error: new Error('outer', { cause: new Error('inner') }) });
    const [head, ...rest] = text().split('\n');
    expect(head).toContain('\x1b[33mWARN \x1b[0m Two words');
    expect(head).toContain('name="a b" plain=x list=[1]');
    expect(rest[0]).toBe('    Error: outer');
    expect(text()).toContain('caused by Error: inner');
  });

  it('writes text without colour to a file when asked', () => {
    const { logger, text } = setup({ format: 'text' });
    logger.info('Started', { port: 1 });
    expect(text()).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}Started port=1\n$/);
  });
});
