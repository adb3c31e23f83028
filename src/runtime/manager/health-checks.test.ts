import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { hang } from '../testing/memory-leases.ts';
import { HealthChecks } from './health-checks.ts';

const query = (text = '') => new URLSearchParams(text);
const failing = () => Promise.reject(new Error('the cache is cold'));

describe('health checks', () => {
  it('pass where there are none', async () => {
    const checks = new HealthChecks();
    expect(await checks.answer('', query())).toEqual({ code: 200, body: 'ok' });
    expect(await checks.answer('', query('verbose'))).toEqual({ code: 200, body: '[+]ping ok\nhealthz check passed\n' });
    expect(await checks.answer('ping', query())).toEqual({ code: 200, body: 'ok' });
    expect(await checks.answer('other', query())).toBeUndefined();
  });

  it('are listed by name, reasons withheld, when asked for or when one fails', async () => {
    const checks = new HealthChecks();
    checks.add('b', () => {});
    checks.add('a', () => {});
    expect((await checks.answer('', query()))!.body).toBe('ok');
    expect((await checks.answer('', query('verbose')))!.body).toBe('[+]a ok\n[+]b ok\nhealthz check passed\n');
    checks.add('a', failing);
    expect(await checks.answer('', query())).toEqual({
      code: 500,
      body: '[-]a failed: reason withheld\n[+]b ok\nhealthz check failed\n',
    });
  });

  it('can be excluded', async () => {
    const checks = new HealthChecks();
    checks.add('a', failing);
    expect(await checks.answer('', query('exclude=a'))).toEqual({ code: 200, body: 'ok' });
    expect((await checks.answer('', query('exclude=a&exclude=x&verbose')))!.body).toBe(
      '[+]a excluded: ok\nwarn: some health checks cannot be excluded: no matches for "x"\nhealthz check passed\n',
    );
  });

  it('tell their reason under their own name', async () => {
    const checks = new HealthChecks();
    checks.add('cache', () => {
      throw new Error('the cache is cold');
    });
    expect(await checks.answer('cache', query())).toEqual({ code: 500, body: 'internal server error: the cache is cold\n' });
    expect(await checks.answer('ping', query())).toBeUndefined();
  });

  it('fail when they do not end', async () => {
    const clock = new FakeClock();
    const checks = new HealthChecks({ clock });
    checks.add('slow', hang);
    const answer = checks.answer('slow', query());
    await clock.advanceAsync(5_000);
    expect(await answer).toEqual({ code: 500, body: 'internal server error: check slow: no answer after 5000 ms\n' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('refuse names that no path can have', () => {
    expect(() => new HealthChecks().add('a/b', () => {})).toThrow('"a/b"');
  });
});
