import { expect, it } from 'vitest';
import { InjectionInForce } from './injection-in-force.ts';
import { defaultInjectionConfig } from './webhooks/injector/config/injection-config.ts';

const withXds = (xds: Partial<typeof defaultInjectionConfig.xds>) => ({
  ...defaultInjectionConfig,
  xds: { ...defaultInjectionConfig.xds, ...xds },
});

it('believes tokens for every audience that has been injected, and for those given', () => {
  const injection = new InjectionInForce(withXds({ tokenAudience: 'first' }), ['given']);
  expect(injection.audiences).toEqual(['given', 'first']);
  expect(injection.take(withXds({ tokenAudience: 'second' }))).toEqual([]);
  expect(injection.current.xds.tokenAudience).toBe('second');
  expect(injection.audiences).toEqual(['given', 'first', 'second']);
});

it('injects the ConfigMap that this process keeps, and says so', () => {
  const injection = new InjectionInForce(withXds({ caConfigMap: 'old', caKey: 'ca.pem' }), []);
  expect(injection.take(withXds({ caConfigMap: 'new', caKey: 'root.pem', address: 'weft.other.svc:15012' }))).toEqual([
    'xds.caConfigMap: stays "old" until the operator is restarted; the chart sees to that',
    'xds.caKey: stays "ca.pem" until the operator is restarted; the chart sees to that',
  ]);
  expect(injection.current.xds).toMatchObject({ caConfigMap: 'old', caKey: 'ca.pem', address: 'weft.other.svc:15012' });
});
