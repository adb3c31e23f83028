import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from '../../runtime/testing/fake-clock.ts';
import { ReviewCache } from './review-cache.ts';
import { TokenReviewer } from './token-reviewer.ts';

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const clockStartMs = Date.UTC(2026, 0, 1);
const inMs = (ms: number) => (clockStartMs + ms) / 1000;
const tokenOf = (claims: object, signature = 'c2ln') => `${part({ alg: 'ES256' })}.${part(claims)}.${signature}`;

const good = {
  authenticated: true,
  audiences: ['istio-ca'],
  user: {
    username: 'system:serviceaccount:shop:cart',
    extra: { 'authentication.kubernetes.io/pod-name': ['cart-1'], 'authentication.kubernetes.io/pod-uid': ['u1'] },
  },
};

const start = (status: object | (() => Promise<object>) = good) => {
  const clock = new FakeClock();
  const asked: unknown[] = [];
  const request = async ({ body }: { body?: unknown }) => {
    asked.push(body);
    return { status: typeof status === 'function' ? await status() : status } as never;
  };
  return { clock, asked, reviewer: new TokenReviewer({ rest: { request }, audiences: ['istio-ca'], clock }) };
};

const fresh = tokenOf({ aud: ['istio-ca'], exp: inMs(3_600_000) });

describe('token reviewer', () => {
  it('says whose a token is, and asks once in a minute', async () => {
    const { reviewer, asked, clock } = start();
    const wanted = {
      outcome: 'authenticated',
      identity: { namespace: 'shop', serviceAccount: 'cart', pod: { name: 'cart-1', uid: 'u1' } },
    };
    expect(await Promise.all([reviewer.review(fresh), reviewer.review(fresh)])).toEqual([wanted, wanted]);
    clock.advance(59_999);
    await reviewer.review(fresh);
    expect(asked).toEqual([
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: fresh, audiences: ['istio-ca'] } },
    ]);
    clock.advance(1);
    await reviewer.review(fresh);
    expect(asked).toHaveLength(2);
  });

  it('believes no answer beyond the end of the token', async () => {
    const { reviewer, asked, clock } = start();
    const short = tokenOf({ aud: ['istio-ca'], exp: inMs(5_000) });
    await reviewer.review(short);
    clock.advance(5_000);
    expect(await reviewer.review(short)).toMatchObject({
      reason: 'expired',
      message: expect.stringContaining('2026-01-01T00:00:05'),
    });
    expect(asked).toHaveLength(1);
  });

  it('forgets a pod that is gone', async () => {
    const { reviewer, asked } = start();
    await reviewer.review(fresh);
    reviewer.forgetPod('other');
    await reviewer.review(fresh);
    expect(asked).toHaveLength(1);
    reviewer.forgetPod('u1');
    await reviewer.review(fresh);
    expect(asked).toHaveLength(2);
  });

  it('remembers a refusal for ten seconds', async () => {
    const { reviewer, asked, clock } = start({ authenticated: false, error: 'signature is invalid' });
    expect(await reviewer.review(fresh)).toMatchObject({
      reason: 'invalid',
      message: expect.stringContaining('signature is invalid'),
    });
    clock.advance(9_999);
    await reviewer.review(fresh);
    expect(asked).toHaveLength(1);
    clock.advance(1);
    await reviewer.review(fresh);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['nonsense', 'nonsense', 'malformed'],
    ['claims that are no object', `${part({})}.${part(null)}.c2ln`, 'malformed'],
    ['a text that is too long', tokenOf({ aud: ['istio-ca'], pad: 'x'.repeat(20_000) }), 'malformed'],
    ['a past token', tokenOf({ exp: inMs(-1) }), 'expired'],
    ['a token from before the epoch', tokenOf({ exp: -1e300 }), 'expired'],
    ['a token for the API server', tokenOf({ aud: ['https://kubernetes.default.svc'] }), 'wrong_audience'],
  ])('refuses %s without asking', async (_, token, reason) => {
    const { reviewer, asked } = start();
    expect(await reviewer.review(token)).toMatchObject({ outcome: 'refused', reason });
    expect(asked).toEqual([]);
  });

  it.each([
    ['for another audience', { ...good, audiences: ['api'] }, 'wrong_audience'],
    ['for no audience at all', { ...good, audiences: undefined }, 'wrong_audience'],
    ['of a person', { ...good, user: { username: 'alice' } }, 'not_a_service_account'],
    ['of a service account without a pod', { ...good, user: { username: good.user.username } }, 'not_bound_to_a_pod'],
    ['that the answer says nothing of', {}, 'invalid'],
  ])('refuses a token %s', async (_, status, reason) => {
    const { reviewer } = start(status);
    expect(await reviewer.review(fresh)).toMatchObject({ outcome: 'refused', reason });
  });

  it('says nothing of a token while the API server does not answer, and remembers nothing', async () => {
    let answers = false;
    const { reviewer } = start(async () => {
      if (!answers) throw new Error('no answer');
      return good;
    });
    await expect(reviewer.review(fresh)).rejects.toThrow('no answer');
    answers = true;
    expect(await reviewer.review(fresh)).toMatchObject({ outcome: 'authenticated' });
  });

  it('asks about 32 tokens at once, the others in their turn', async () => {
    const open: (() => void)[] = [];
    const { reviewer, asked } = start(() => new Promise((resolve) => open.push(() => resolve(good))));
    const reviews = Array.from({ length: 40 }, (_, index) =>
      reviewer.review(tokenOf({ aud: ['istio-ca'], n: index }), `10.0.0.${index}`),
    );
    await settle();
    expect(asked).toHaveLength(32);
    for (const end of open.splice(0)) end();
    await settle();
    expect(asked).toHaveLength(40);
    for (const end of open) end();
    expect((await Promise.all(reviews)).every(({ outcome }) => outcome === 'authenticated')).toBe(true);
  });

  it('lets addresses take turns: one that floods it keeps nobody waiting', async () => {
    const open: (() => void)[] = [];
    const { reviewer, asked } = start(() => new Promise((resolve) => open.push(() => resolve(good))));
    const ask = (n: number, from: string) => void reviewer.review(tokenOf({ aud: ['istio-ca'], n }), from);
    for (let n = 0; n < 1000; n++) ask(n, '10.0.0.66');
    await settle();
    expect(asked).toHaveLength(8);
    for (let n = 0; n < 24; n++) ask(1000 + n, `10.0.1.${n}`);
    await settle();
    expect(asked).toHaveLength(32);
    // With all permits taken: of one who comes now, and of the flood, one each as two are free.
    ask(2000, '10.0.2.1');
    open[0]!();
    open[1]!();
    await settle();
    const ofClient = (n: number) => JSON.stringify(asked).includes(tokenOf({ aud: ['istio-ca'], n }));
    expect([asked.length, ofClient(2000), ofClient(8), ofClient(9)]).toEqual([34, true, true, false]);
  });
});

it('the cache of reviews is bounded: the oldest makes room', () => {
  const cache = new ReviewCache<number>({ clock: new FakeClock(), maxEntries: 2 });
  for (const [index, key] of ['a', 'b', 'a', 'c'].entries()) cache.set(key, index, 1000);
  expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([2, undefined, 3]);
  expect(cache.size).toBe(2);
});
