import { afterEach, describe, expect, it } from 'vitest';
import { type HttpHandler, type HttpServer, startHttpServer } from './http-server.ts';

let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const start = async () => {
  server = await startHttpServer(
    '127.0.0.1',
    0,
    '--http-bind',
    new Map<string, HttpHandler>([
      ['thing', (url) => (url.pathname === '/thing' ? { body: { is: 'a thing' } } : undefined)],
      ['text', () => ({ code: 503, body: 'not now\n' })],
      ['broken', () => Promise.reject(new Error('it broke'))],
    ]),
  );
  return `http://${server.address}`;
};

describe('startHttpServer', () => {
  it('answers JSON, text and codes by the first path segment', async () => {
    const base = await start();
    expect(await (await fetch(`${base}/thing?x=1`)).json()).toEqual({ is: 'a thing' });
    const text = await fetch(`${base}/text`);
    expect([text.status, text.headers.get('content-type'), await text.text()]).toEqual([
      503,
      'text/plain; charset=utf-8',
      'not now\n',
    ]);
  });

  it('says what there is instead of an unknown path, and refuses other methods', async () => {
    const base = await start();
    for (const path of ['/', '/thing/other', '/nothing']) {
      const answer = await fetch(base + path);
      expect([answer.status, (await answer.json()) as object]).toEqual([
        404,
        { error: `${path} is not known here; there are /thing, /text, /broken` },
      ]);
    }
    expect((await fetch(`${base}/thing`, { method: 'POST', body: 'x' })).status).toBe(405);
  });

  it('turns a failure into an answer and lives on', async () => {
    const base = await start();
    const answer = await fetch(`${base}/broken`);
    expect([answer.status, await answer.json()]).toEqual([500, { error: 'it broke' }]);
    expect((await fetch(`${base}/thing`)).status).toBe(200);
  });

  it('rejects, by the name of its flag, when the port is taken', async () => {
    await start();
    const port = Number(server!.address.split(':').at(-1));
    await expect(startHttpServer('127.0.0.1', port, '--http-bind', new Map())).rejects.toThrow(
      `cannot listen on 127.0.0.1:${port} (--http-bind)`,
    );
  });
});
