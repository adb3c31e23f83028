import { beforeEach, describe, expect, it } from 'vitest';
import { pushOrder, type Resource, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilter } from '../../mesh/envoy-filter.ts';
import { Mesh } from '../../mesh/mesh.ts';
import { objectKey } from '../../mesh/object-key.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import type { ProxySession } from '../session/proxy-session.ts';
import { fakeNode } from '../testing/session-harness.ts';
import { EnvoyFilterRollout } from './envoy-filter-rollout.ts';
import { defaultRolloutOptions } from './rollout-report.ts';

const key = objectKey('EnvoyFilter', 'shop', 'lua');
const other = objectKey('EnvoyFilter', 'shop', 'tune');
const entry = objectKey('ServiceEntry', 'shop', 'api');
const sidecar = objectKey('Sidecar', 'shop', 'default');

function filterAt(generation: number, extra: Partial<EnvoyFilter> = {}): EnvoyFilter {
  const base = { key, namespace: 'shop', name: 'lua', createdAtMs: 0, priority: 0, hasTargetRefs: false, patches: [] };
  return { ...base, version: `uid/${generation}`, generation, ...extra };
}

/** A proxy alone in its class; `acknowledged` is the revision that it has taken. */
interface Proxy {
  readonly session: ProxySession;
  acknowledged: number;
  readonly rejections: Set<{ readonly provenance: readonly string[] }>;
  /** By object, the revision at which the class's resources were changed by it last. */
  readonly changedAt: Map<string, number>;
  /** The version that its class still has; undefined: the one that is selected for it. */
  heldVersion?: string;
}

describe('EnvoyFilterRollout', () => {
  let mesh: Mesh;
  let clock: FakeClock;
  let rollout: EnvoyFilterRollout;
  let proxies: Proxy[];
  let indifferent: Set<ProxySession>;
  let announced: number;

  function connect(name: string, labels: Record<string, string> = {}, namespace = 'shop'): Proxy {
    const changedAt = new Map<string, number>();
    const rejections = new Set<{ readonly provenance: readonly string[] }>();
    const proxy = { acknowledged: 0, changedAt, rejections } as unknown as Proxy;
    const type = { awaited: new Set(), rejections, covers: (revision: number) => proxy.acknowledged >= revision };
    const session = {
      node: { ...fakeNode(name, namespace), labels },
      settled: true,
      types: Object.fromEntries(pushOrder.map((typeUrl) => [typeUrl, type])),
      proxyClass: {
        changedAt: (object: string) => changedAt.get(object) ?? 0,
        table: () => ({ get: () => ({ version: 'now' }) }),
        sidecarKey: sidecar,
        footprint: () => ({ names: new Map([[typeUrls.listener, new Set(['virtualOutbound'])]]) }),
        filterVersion: (of: string) =>
          proxy.heldVersion ?? rollout.select(session.node).filters.find((filter) => filter.key === of)?.version,
      },
    } as unknown as ProxySession;
    Object.assign(proxy, { session });
    proxies.push(proxy);
    return proxy;
  }

  function start(options = defaultRolloutOptions): void {
    mesh = new Mesh();
    clock = new FakeClock();
    proxies = [];
    indifferent = new Set();
    announced = 0;
    rollout = new EnvoyFilterRollout({ mesh, clock, logger: silentLogger, options });
    rollout.attach({
      groups: () => proxies.map(({ session }) => ({ sessions: new Set([session]) })),
      wouldChange: (session) => !indifferent.has(session),
    });
    mesh.onChange(() => announced++);
  }

  function apply(filter: EnvoyFilter): void {
    mesh.put(filter.key, { kind: 'envoyFilter', envoyFilter: filter });
    rollout.decide();
  }

  /** Both at once, as `kubectl apply` of a directory. */
  function applyTwo(): void {
    mesh.put(key, { kind: 'envoyFilter', envoyFilter: filterAt(1) });
    mesh.put(other, { kind: 'envoyFilter', envoyFilter: { ...filterAt(1), key: other, name: 'tune', version: 'other/1' } });
    rollout.decide();
  }

  function disconnect(proxy: Proxy): void {
    proxies.splice(proxies.indexOf(proxy), 1);
    rollout.closed(proxy.session);
    rollout.decide();
  }

  function acknowledge(proxy: Proxy): void {
    proxy.acknowledged = mesh.revision;
    rollout.progressed(proxy.session);
    rollout.decide();
  }

  function refuse({ session }: Proxy, provenance: readonly string[] = [key], version = 'now'): void {
    const resource = { typeUrl: typeUrls.listener, name: 'virtualOutbound', version, provenance } as unknown as Resource;
    rollout.refused(session, [resource], 'Error adding/updating listener(s) virtualOutbound: no such filter');
    rollout.decide();
  }

  function generationsOf(...of: Proxy[]): (number | undefined)[] {
    return of.map(({ session }) => rollout.select(session.node).filters[0]?.generation);
  }

  beforeEach(() => start());

  it('gives a generation to everybody at once while nobody is connected', () => {
    apply(filterAt(1));
    const late = connect('late');
    expect(generationsOf(late)).toEqual([1]);
    expect(rollout.report(key)).toBeUndefined();
  });

  it('tries a generation on three proxies of different classes, and the rest waits for it', () => {
    const all = Array.from({ length: 5 }, (_, index) => connect(`proxy-${index}`));
    apply(filterAt(1));
    expect(generationsOf(...all)).toEqual([1, 1, 1, undefined, undefined]);
    expect(all.map(({ session }) => rollout.select(session.node).awaiting)).toEqual([[], [], [], [key], [key]]);
    expect(rollout.report(key)).toEqual({ stage: 'trial', proxies: 3, servedGeneration: undefined });
  });

  it('goes to everybody once each proxy on trial has acknowledged it', () => {
    const all = Array.from({ length: 4 }, (_, index) => connect(`proxy-${index}`));
    apply(filterAt(1));
    const before = announced;
    acknowledge(all[0]!);
    acknowledge(all[1]!);
    expect(generationsOf(all[3]!)).toEqual([undefined]);
    acknowledge(all[2]!);
    expect(generationsOf(...all)).toEqual([1, 1, 1, 1]);
    expect(announced).toBe(before + 1);
    expect(rollout.report(key)).toBeUndefined();
  });

  it('goes to everybody after the deadline when a proxy on trial stays silent', () => {
    const [first, second] = [connect('first'), connect('second')];
    start({ canaries: 1, deadlineMs: 5000 });
    proxies.push(first, second);
    apply(filterAt(1));
    clock.advance(4999);
    expect(generationsOf(second)).toEqual([undefined]);
    clock.advance(1);
    expect(generationsOf(second)).toEqual([1]);
  });

  it('quarantines what a proxy on trial refuses, and everybody keeps the generation before', () => {
    const first = connect('first');
    apply(filterAt(1));
    acknowledge(first);
    const second = connect('second');
    apply(filterAt(2));
    refuse(first);
    expect(generationsOf(first, second)).toEqual([1, 1]);
    expect(rollout.report(key)).toMatchObject({
      stage: 'quarantined',
      servedGeneration: 1,
      message: 'Error adding/updating listener(s) virtualOutbound: no such filter',
      refusal: { proxy: 'shop/first', resource: 'virtualOutbound' },
    });
    expect(rollout.select(second.session.node).awaiting).toEqual([key]);
    // The same generation, told again, is not tried again.
    apply(filterAt(2));
    expect(generationsOf(first, second)).toEqual([1, 1]);
    // Nor does its deadline bring it to anybody.
    clock.advance(60_000);
    expect(generationsOf(first, second)).toEqual([1, 1]);
  });

  it('tries the next generation after a quarantine', () => {
    const first = connect('first');
    apply(filterAt(1));
    refuse(first);
    expect(generationsOf(first)).toEqual([undefined]);
    apply(filterAt(2));
    expect(rollout.report(key)).toMatchObject({ stage: 'trial' });
    acknowledge(first);
    expect(generationsOf(first)).toEqual([2]);
    expect(rollout.report(key)).toBeUndefined();
  });

  it('takes everybody back when a proxy refuses later what others had taken', () => {
    const [first, second] = [connect('first'), connect('second')];
    apply(filterAt(1));
    acknowledge(first);
    acknowledge(second);
    apply(filterAt(2));
    acknowledge(first);
    acknowledge(second);
    expect(generationsOf(first, second)).toEqual([2, 2]);
    const third = connect('third');
    third.changedAt.set(key, 7);
    third.changedAt.set(entry, 3);
    refuse(third, [entry, key]);
    expect(generationsOf(first, second, third)).toEqual([1, 1, 1]);
    expect(rollout.report(key)).toMatchObject({ stage: 'quarantined', servedGeneration: 1 });
  });

  it('does not blame a filter for what something newer broke', () => {
    const first = connect('first');
    apply(filterAt(1));
    acknowledge(first);
    first.changedAt.set(key, 3);
    first.changedAt.set(entry, 7);
    refuse(first, [entry, key]);
    expect(generationsOf(first)).toEqual([1]);
  });

  it('blames the generation before for nothing that others on trial say once one has refused', () => {
    const [first, second] = [connect('first'), connect('second')];
    apply(filterAt(1));
    acknowledge(first);
    acknowledge(second);
    apply(filterAt(2));
    second.heldVersion = 'uid/2';
    refuse(first);
    refuse(second);
    expect(rollout.report(key)).toMatchObject({ stage: 'quarantined', servedGeneration: 1, refusal: { proxy: 'shop/first' } });
  });

  it('takes no notice of a refusal of what is out of date', () => {
    const first = connect('first');
    apply(filterAt(1));
    refuse(first, [key], 'before');
    expect(rollout.report(key)).toMatchObject({ stage: 'trial' });
  });

  it('does not blame a filter that did not shape the resource', () => {
    const first = connect('first');
    apply(filterAt(1));
    refuse(first, [entry]);
    expect(rollout.report(key)).toMatchObject({ stage: 'trial' });
  });

  it('withdraws a deleted filter from everybody at once, on trial too', () => {
    const [first, second] = [connect('first'), connect('second')];
    apply(filterAt(1));
    mesh.delete(key);
    rollout.decide();
    expect(generationsOf(first, second)).toEqual([undefined, undefined]);
    expect(rollout.report(key)).toBeUndefined();
    clock.advance(60_000);
    expect(generationsOf(first, second)).toEqual([undefined, undefined]);
  });

  it('tries a newer generation in place of the one on trial', () => {
    const all = Array.from({ length: 4 }, (_, index) => connect(`proxy-${index}`));
    apply(filterAt(1));
    apply(filterAt(2));
    expect(generationsOf(...all)).toEqual([2, 2, 2, undefined]);
    for (const proxy of all.slice(0, 3)) acknowledge(proxy);
    expect(generationsOf(...all)).toEqual([2, 2, 2, 2]);
  });

  it('tries others when all proxies on trial have gone without a word', () => {
    const [first, second] = [connect('first'), connect('second')];
    start({ canaries: 1, deadlineMs: 5000 });
    proxies.push(first, second);
    apply(filterAt(1));
    proxies.shift();
    rollout.closed(first.session);
    rollout.decide();
    expect(generationsOf(second)).toEqual([1]);
    expect(rollout.report(key)).toMatchObject({ stage: 'trial', proxies: 1 });
  });

  it('is content with those that have acknowledged when the last silent one goes', () => {
    const [first, second, third] = [connect('first'), connect('second'), connect('third')];
    const last = connect('last');
    apply(filterAt(1));
    acknowledge(first);
    acknowledge(second);
    proxies.splice(2, 1);
    rollout.closed(third.session);
    rollout.decide();
    expect(generationsOf(last)).toEqual([1]);
  });

  it('tries nothing that changes no bytes', () => {
    const first = connect('first');
    indifferent.add(first.session);
    apply(filterAt(1));
    expect(generationsOf(first)).toEqual([1]);
    expect(rollout.report(key)).toBeUndefined();
  });

  it('tries only on proxies that the filter selects, and others wait for nothing', () => {
    const other = connect('other', { app: 'other' });
    const web = connect('web', { app: 'web' });
    const elsewhere = connect('elsewhere', { app: 'web' }, 'elsewhere');
    apply(filterAt(1, { workloadSelector: { app: 'web' } }));
    expect(generationsOf(other, web, elsewhere)).toEqual([undefined, 1, undefined]);
    expect(rollout.select(other.session.node).awaiting).toEqual([]);
    expect(rollout.select(elsewhere.session.node).awaiting).toEqual([]);
    expect(rollout.report(key)).toMatchObject({ proxies: 1 });
  });

  it('takes over a quarantine that the status tells of', () => {
    const first = connect('first');
    apply(filterAt(4, { quarantine: 'shop/far refused it' }));
    expect(generationsOf(first)).toEqual([undefined]);
    expect(rollout.report(key)).toEqual({
      stage: 'quarantined',
      refusal: undefined,
      message: 'shop/far refused it',
      servedGeneration: undefined,
    });
  });

  it('leaves what it serves when the status tells that another replica quarantined it', () => {
    const first = connect('first');
    apply(filterAt(1));
    acknowledge(first);
    apply(filterAt(2));
    acknowledge(first);
    apply(filterAt(2, { quarantine: 'shop/far refused it' }));
    expect(generationsOf(first)).toEqual([1]);
  });

  it('keeps its own words where the status repeats them', () => {
    const first = connect('first');
    apply(filterAt(1));
    refuse(first);
    apply(filterAt(1, { quarantine: 'repeated' }));
    expect(rollout.report(key)).toMatchObject({ refusal: { proxy: 'shop/first' } });
  });

  it('gives everybody everything at once without canaries, and still quarantines', () => {
    const [first, second] = [connect('first'), connect('second')];
    start({ canaries: 0, deadlineMs: 5000 });
    proxies.push(first, second);
    apply(filterAt(1));
    expect(generationsOf(first, second)).toEqual([1, 1]);
    refuse(second);
    expect(generationsOf(first, second)).toEqual([undefined, undefined]);
  });

  it('is in force before anybody connects, decided or not', () => {
    mesh.put(key, { kind: 'envoyFilter', envoyFilter: filterAt(1) });
    const first = connect('first');
    expect(generationsOf(first)).toEqual([1]);
    rollout.decide();
    expect(rollout.report(key)).toBeUndefined();
  });

  it('does not take an answer for an acknowledgement while the proxy refuses what the filter shaped', () => {
    const [first, second] = [connect('first'), connect('second')];
    start({ canaries: 1, deadlineMs: 5000 });
    proxies.push(first, second);
    apply(filterAt(1));
    // It speaks of a form that has been superseded meanwhile: nobody is to blame yet.
    const rejection = { provenance: [entry, key] };
    first.rejections.add(rejection);
    refuse(first, [entry, key], 'before');
    acknowledge(first);
    expect(generationsOf(second)).toEqual([undefined]);
    first.rejections.delete(rejection);
    acknowledge(first);
    expect(generationsOf(second)).toEqual([1]);
  });

  it('takes back a superseded generation that is refused, and goes on with the trial of the newer one', () => {
    const all = Array.from({ length: 5 }, (_, index) => connect(`proxy-${index}`));
    for (const generation of [1, 2]) {
      apply(filterAt(generation));
      for (const proxy of all) acknowledge(proxy);
    }
    apply(filterAt(3));
    expect(generationsOf(...all)).toEqual([3, 3, 3, 2, 2]);
    refuse(all[4]!);
    expect(generationsOf(...all)).toEqual([3, 3, 3, 1, 1]);
    expect(rollout.report(key)).toEqual({ stage: 'trial', proxies: 3, servedGeneration: 1 });
  });

  it('does not try a quarantined generation again because the one before is refused too', () => {
    const [first, second] = [connect('first'), connect('second')];
    apply(filterAt(1));
    acknowledge(first);
    acknowledge(second);
    apply(filterAt(2));
    refuse(first);
    refuse(second);
    expect(generationsOf(first, second)).toEqual([undefined, undefined]);
    expect(rollout.report(key)).toMatchObject({
      stage: 'quarantined',
      servedGeneration: undefined,
      refusal: { proxy: 'shop/first' },
    });
  });

  it('does not blame a filter for what a newer Sidecar broke', () => {
    const first = connect('first');
    apply(filterAt(1));
    acknowledge(first);
    first.changedAt.set(key, 3);
    first.changedAt.set(sidecar, 7);
    refuse(first);
    expect(generationsOf(first)).toEqual([1]);
  });

  it('finds out which of two filters that are tried together is refused, and quarantines that one only', () => {
    const [first, last] = [connect('first'), connect('last')];
    start({ canaries: 1, deadlineMs: 5000 });
    proxies.push(first, last);
    applyTwo();
    const held = (proxy: Proxy) => rollout.select(proxy.session.node).filters.map(({ name }) => name);
    expect(held(first)).toEqual(['lua', 'tune']);
    refuse(first, [entry, key, other]);
    expect(held(first)).toEqual(['lua']);
    expect(rollout.report(other)).toEqual({ stage: 'trial', proxies: 0, servedGeneration: undefined });
    acknowledge(first);
    rollout.decide();
    expect(held(first)).toEqual(['lua', 'tune']);
    expect(held(last)).toEqual(['lua']);
    refuse(first, [entry, key, other]);
    expect(held(first)).toEqual(['lua']);
    expect(rollout.report(key)).toBeUndefined();
    expect(rollout.report(other)).toMatchObject({ stage: 'quarantined' });
  });

  it('holds nothing against a filter that is tried along with the one that is known to be refused', () => {
    const first = connect('first');
    connect('last');
    applyTwo();
    const resource = (name: string, provenance: readonly string[]) =>
      ({ typeUrl: typeUrls.listener, name, version: 'now', provenance }) as unknown as Resource;
    rollout.refused(first.session, [resource('a', [key, other]), resource('b', [key])], 'no');
    expect(rollout.report(key)).toMatchObject({ stage: 'quarantined' });
    expect(rollout.report(other)).toMatchObject({ stage: 'trial', proxies: 2 });
  });

  it('is quarantined when the proxies that try it go without a word again and again', () => {
    const all = Array.from({ length: 9 }, (_, index) => connect(`proxy-${index}`));
    start({ canaries: 1, deadlineMs: 5000 });
    proxies.push(...all);
    apply(filterAt(1));
    for (const proxy of all.slice(0, 2)) disconnect(proxy);
    expect(rollout.report(key)).toMatchObject({ stage: 'trial', proxies: 1 });
    disconnect(all[2]!);
    expect(rollout.report(key)).toMatchObject({
      stage: 'quarantined',
      message: expect.stringMatching(
        /^3 times in a row .*: shop\/proxy-0, shop\/proxy-1, shop\/proxy-2 \(every proxy is served nothing/,
      ),
    });
    expect(generationsOf(...all.slice(3))).toEqual(Array(6).fill(undefined));
  });

  it('waits for a proxy that went without a word to come back, until the deadline', () => {
    const first = connect('first');
    apply(filterAt(1));
    acknowledge(first);
    apply(filterAt(2));
    disconnect(first);
    const back = connect('first');
    expect(generationsOf(back)).toEqual([1]);
    clock.advance(5000);
    rollout.decide();
    expect(generationsOf(back)).toEqual([2]);
    expect(rollout.report(key)).toMatchObject({ stage: 'trial', proxies: 1 });
    disconnect(back);
    clock.advance(5000);
    rollout.decide();
    expect(rollout.report(key)).toBeUndefined();
    expect(generationsOf(back)).toEqual([2]);
  });
});
