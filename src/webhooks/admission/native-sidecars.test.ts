import { expect, it } from 'vitest';
import { ApiError, ConnectionError } from '../../runtime/client/api-error.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { FakeClock, settle } from '../../runtime/testing/fake-clock.ts';
import { defaultInjectionConfig } from '../injector/config/injection-config.ts';
import { NativeSidecars } from './native-sidecars.ts';

const request = { verb: 'get', path: '/version', resource: '' } as never;
const refused = new ApiError({ status: 403, reason: 'Forbidden', message: 'no', request });
const away = new ConnectionError('connection refused', 'ECONNREFUSED');

/** An API server that answers with one of these after the other. */
const detection = (...answers: unknown[]) => {
  const clock = new FakeClock();
  const rest = {
    async request() {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer as never;
    },
  };
  return { clock, native: new NativeSidecars({ rest, clock, logger: silentLogger }) };
};
const neverAborts = new AbortController().signal;

it.each([
  [{ major: '1', minor: '28' }, false],
  [{ major: '1', minor: '28+' }, false],
  [{ major: '1', minor: '29' }, true],
  [{ major: '1', minor: '34+', gitVersion: 'v1.34.4' }, true],
  [{ major: '2', minor: '0' }, true],
  [{}, true],
  [refused, true],
])('%j: native sidecars %s', async (answer, expected) => {
  const { native } = detection(answer);
  expect(native.apply(defaultInjectionConfig)).toBe(defaultInjectionConfig);
  await native.detect(neverAborts);
  expect(native.apply(defaultInjectionConfig).nativeSidecars).toBe(expected);
});

it('lets the configuration say otherwise', async () => {
  const { native } = detection({ major: '1', minor: '28' });
  await native.detect(neverAborts);
  const said = { ...defaultInjectionConfig, nativeSidecars: true };
  expect(native.apply(said)).toBe(said);
});

it('asks until it is answered, and ends with the signal', async () => {
  const { clock, native } = detection(away, away, { major: '1', minor: '28' });
  let isDone = false;
  const detecting = native.detect(neverAborts).then(() => {
    isDone = true;
  });
  await settle();
  await clock.advanceAsync(5_000);
  expect(isDone).toBe(false);
  await clock.advanceAsync(5_000);
  await detecting;
  expect(native.apply(defaultInjectionConfig).nativeSidecars).toBe(false);

  const stop = new AbortController();
  const { native: other } = detection(away);
  const ended = expect(other.detect(stop.signal)).rejects.toThrow('over');
  await settle();
  stop.abort(new Error('over'));
  await ended;
});
