import { expect, it } from 'vitest';
import { ApiError, ConnectionError } from '../../runtime/client/api-error.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { FakeClock, settle } from '../../runtime/testing/fake-clock.ts';
import { defaultInjectionConfig } from '../injector/config/injection-config.ts';
import { ClusterFeatures } from './cluster-features.ts';

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
  return { clock, features: new ClusterFeatures({ rest, clock, logger: silentLogger }) };
};
const neverAborts = new AbortController().signal;

it.each([
  [{ major: '1', minor: '28' }, false, false],
  [{ major: '1', minor: '28+' }, false, false],
  [{ major: '1', minor: '29' }, true, false],
  [{ major: '1', minor: '30' }, true, true],
  [{ major: '1', minor: '34+', gitVersion: 'v1.34.4' }, true, true],
  [{ major: '2', minor: '0' }, true, true],
  [{}, true, true],
  [refused, true, true],
])('%j: native sidecars %s, sleep hooks %s', async (answer, nativeSidecars, sleepHooks) => {
  const { features } = detection(answer);
  expect(features.apply(defaultInjectionConfig)).toBe(defaultInjectionConfig);
  await features.detect(neverAborts);
  expect(features.apply(defaultInjectionConfig)).toEqual({ ...defaultInjectionConfig, nativeSidecars, sleepHooks });
});

it('lets the configuration say otherwise', async () => {
  const { features } = detection({ major: '1', minor: '28' });
  await features.detect(neverAborts);
  const said = { ...defaultInjectionConfig, nativeSidecars: true };
  expect(features.apply(said)).toEqual({ ...said, sleepHooks: false });
  const all = { ...said, sleepHooks: true };
  expect(features.apply(all)).toBe(all);
});

it('asks until it is answered, and ends with the signal', async () => {
  const { clock, features } = detection(away, away, { major: '1', minor: '28' });
  let isDone = false;
  const detecting = features.detect(neverAborts).then(() => {
    isDone = true;
  });
  await settle();
  await clock.advanceAsync(5_000);
  expect(isDone).toBe(false);
  await clock.advanceAsync(5_000);
  await detecting;
  expect(features.apply(defaultInjectionConfig).nativeSidecars).toBe(false);

  const stop = new AbortController();
  const { features: other } = detection(away);
  const ended = expect(other.detect(stop.signal)).rejects.toThrow('over');
  await settle();
  stop.abort(new Error('over'));
  await ended;
});
