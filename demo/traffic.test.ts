import { describe, expect, it } from 'vitest';
import type { Call, CallAnswer } from '../e2e/env/client.ts';
import type { Route } from './plan.ts';
import { Traffic, windowSize } from './traffic.ts';

const http: Route = { host: 'api.example', address: '127.0.0.1:80', protocol: 'http', who: 'the proxy' };
const tcp: Route = { host: 'cache.example', address: '127.0.0.1:70', protocol: 'tcp', who: 'the proxy' };

const answer = (fields: Partial<CallAnswer>): CallAnswer => ({ status: 0, headers: {}, body: '', ...fields });
const answeredBy = (name: string) => answer({ status: 200, echo: { name } as CallAnswer['echo'] });

/** Sends as many requests as there are answers, then stops. */
async function send(route: Route, answers: readonly CallAnswer[]) {
  const calls: Call[] = [];
  const done = Promise.withResolvers<void>();
  const traffic: Traffic = new Traffic([route], {
    call: async (call) => answers[calls.push(call) - 1]!,
    pause: async (signal) => {
      if (calls.length < answers.length) return;
      done.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    nowMs: () => 1000,
  });
  await done.promise;
  await traffic.stop();
  return { calls, state: traffic.routes()[0]! };
}

describe('Traffic', () => {
  it('calls a host by name at the address of its listener', async () => {
    const { calls } = await send(http, [answeredBy('blue')]);
    expect(calls).toMatchObject([{ protocol: 'http', to: '127.0.0.1:80', host: 'api.example' }]);
  });

  it('tells who answered, newest last', async () => {
    const { state } = await send(http, [answeredBy('blue'), answeredBy('green')]);
    expect(state).toEqual({
      host: 'api.example',
      recent: [
        { by: 'blue', code: '200' },
        { by: 'green', code: '200' },
      ],
      answered: 2,
      lastFailure: undefined,
    });
  });

  it('looks back on a limited number, and counts all that were answered', async () => {
    const { state } = await send(http, [answeredBy('old'), ...Array.from({ length: windowSize }, () => answeredBy('new'))]);
    expect(state.answered).toBe(windowSize + 1);
    expect(state.recent.map(({ by }) => by)).toEqual(Array.from({ length: windowSize }, () => 'new'));
  });

  it.each([
    [answer({ status: 503, body: 'no healthy\n upstream\n' }), '503', '503 no healthy upstream'],
    [answer({ error: 'ECONNREFUSED' }), 'ECONNREFUSED', 'ECONNREFUSED'],
    [answer({ status: 404 }), '404', '404'],
  ])('tells of the last failure (%#)', async (failure, code, text) => {
    const { state } = await send(http, [answeredBy('blue'), failure]);
    expect(state.recent.at(-1)).toEqual({ by: undefined, code });
    expect(state.lastFailure).toEqual({ text, atMs: 1000 });
    expect(state.answered).toBe(1);
  });

  it('knows a TCP service by its greeting', async () => {
    const { state } = await send(tcp, [answer({ body: 'cache\nhello\n' }), answer({ error: 'closed', body: '' })]);
    expect(state.recent).toEqual([
      { by: 'cache', code: 'ok' },
      { by: undefined, code: 'closed' },
    ]);
  });
});
