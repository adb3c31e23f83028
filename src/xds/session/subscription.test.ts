import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../envoy/resource.ts';
import { Subscription } from './subscription.ts';

const replace = (...names: string[]) => ({ kind: 'replace', names }) as const;
const patch = (subscribe: string[], unsubscribe: string[] = []) => ({ kind: 'patch', subscribe, unsubscribe }) as const;

describe('Subscription, state of the world', () => {
  it("follows the protocol's example of the wildcard", () => {
    const clusters = new Subscription(typeUrls.cluster, 10);
    expect(clusters.apply(replace())).toMatchObject({ wildcardAsked: true });
    expect(clusters.apply(replace())).toEqual({ wildcardAsked: false, asked: [], dropped: [] });
    expect(clusters.apply(replace('*', 'A'))).toEqual({ wildcardAsked: false, asked: ['A'], dropped: [] });
    expect(clusters.apply(replace('A'))).toEqual({ wildcardAsked: false, asked: [], dropped: [] });
    expect(clusters.wildcard).toBe(false);
    expect(clusters.apply(replace())).toEqual({ wildcardAsked: false, asked: [], dropped: ['A'] });
    expect(clusters.active).toBe(false);
  });

  it('takes an empty request for endpoints as no interest', () => {
    const endpoints = new Subscription(typeUrls.endpoint, 10);
    endpoints.apply(replace());
    expect(endpoints.active).toBe(false);
    expect(endpoints.apply(replace('a', 'b')).asked).toEqual(['a', 'b']);
    expect(endpoints.apply(replace('b', 'c'))).toEqual({ wildcardAsked: false, asked: ['c'], dropped: ['a'] });
  });
});

describe('Subscription, incremental', () => {
  it("follows the protocol's example of the wildcard", () => {
    const clusters = new Subscription(typeUrls.cluster, 10);
    expect(clusters.apply(patch([]))).toMatchObject({ wildcardAsked: true });
    expect(clusters.apply(patch(['A']))).toEqual({ wildcardAsked: false, asked: ['A'], dropped: [] });
    clusters.apply(patch([], ['*']));
    expect([clusters.includes('A'), clusters.includes('B')]).toEqual([true, false]);
    expect(clusters.apply(patch([], ['A'])).dropped).toEqual(['A']);
    expect(clusters.active).toBe(false);
    expect(clusters.apply(patch([])).wildcardAsked).toBe(false);
  });

  it('asks again for a name that is subscribed again', () => {
    const endpoints = new Subscription(typeUrls.endpoint, 10);
    endpoints.apply(patch(['a']));
    expect(endpoints.apply(patch(['a'])).asked).toEqual(['a']);
  });

  it('has to answer a name that is given up under the wildcard', () => {
    const clusters = new Subscription(typeUrls.cluster, 10);
    clusters.apply(patch(['*', 'a']));
    expect(clusters.apply(patch([], ['a', 'never']))).toEqual({ wildcardAsked: false, asked: ['a'], dropped: [] });
  });

  it('ends the stream beyond the limit of names', () => {
    expect(() => new Subscription(typeUrls.endpoint, 2).apply(patch(['a', 'b', 'c']))).toThrow('the limit is 2');
  });
});
