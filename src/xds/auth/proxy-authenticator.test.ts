import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { Metadata, status } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { podKind } from '../../api/kubernetes/pod.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import { ObjectStore } from '../../runtime/cache/object-store.ts';
import { FakeClock, settle } from '../../runtime/testing/fake-clock.ts';
import { type LoggedLine, logInto } from '../../runtime/testing/log-lines.ts';
import type { AdsCall, GuardedStream } from '../stream.ts';
import type { StreamError } from '../wire/stream-error.ts';
import { type KnownPod, ProxyAuthenticator } from './proxy-authenticator.ts';
import type { RefusalReason } from './refusal-metrics.ts';
import type { Review, TokenRefusal } from './token-reviewer.ts';

const token = 'e30.e30.secret';
const identity = { namespace: 'shop', serviceAccount: 'cart', pod: { name: 'cart-1', uid: 'u1' } };
const own = { namespace: 'shop', name: 'cart-1', serviceAccount: 'cart', ipAddresses: ['10.0.0.1'] };

const podOf = (
  fields: { uid?: string; name?: string; podIPs?: string[]; resourceVersion?: string; labels?: Record<string, string> } = {},
): KnownPod => {
  const { uid = 'u1', name = 'cart-1', podIPs = ['10.0.0.1', 'fd00::1'], resourceVersion, labels } = fields;
  const metadata = { name, namespace: 'shop', uid, ...(labels && { labels }), ...(resourceVersion && { resourceVersion }) };
  return { apiVersion: 'v1', kind: 'Pod', metadata, status: { podIPs } };
};

let pods: ObjectStore<KnownPod>;
let clock: FakeClock;
let lines: LoggedLine[];
let registry: Registry;
let forgotten: string[];
let review: () => Promise<Review>;
let outsiders: Set<string>;
let authenticator: ProxyAuthenticator;

beforeEach(() => {
  pods = new ObjectStore<KnownPod>(podKind as never);
  pods.replace([podOf()]);
  [clock, lines, registry, forgotten, outsiders] = [new FakeClock(), [], new Registry(), [], new Set()];
  review = async () => ({ outcome: 'authenticated', identity });
  authenticator = new ProxyAuthenticator({
    reviewer: { review: () => review(), forgetPod: (uid) => void forgotten.push(uid) },
    includes: (namespace) => !outsiders.has(namespace),
    ...{ pods, clock, logger: logInto(lines), registry },
  });
});

class Call extends EventEmitter {
  readonly metadata = new Metadata();
  readonly #peer: string;
  constructor(peer: string) {
    super();
    this.#peer = peer;
  }
  getPeer(): string {
    return this.#peer;
  }
  close(): void {
    this.emit('close');
  }
}

const callWith = (...values: string[]): Call => callFrom('10.0.0.1:4711', ...values);
const callFrom = (peer: string, ...values: string[]): Call => {
  const call = new Call(peer);
  for (const value of values) call.metadata.add('authorization', value);
  return call;
};

/** What becomes of a proxy: let in, or why not; the labels that it is told to have, and how it was turned out later. */
const admit = async (node: Partial<ProxyNode> = {}, call = callWith(`Bearer ${token}`)) => {
  const ends: StreamError[] = [];
  const labels: unknown[] = [];
  const stream: GuardedStream = {
    isOver: false,
    relabel: (told) => void labels.push(told),
    end(error) {
      ends.push(error);
      call.close();
    },
  };
  try {
    const authorize = await authenticator.authenticate(call as unknown as AdsCall);
    await authorize({ ...own, ...node } as ProxyNode, stream);
    return { call, ends, labels, refused: undefined };
  } catch (error) {
    const { code, message } = error as StreamError;
    call.close();
    return { call, ends, labels, refused: { code, message } };
  }
};

const refusals = async () =>
  (await registry.getSingleMetric('weft_xds_refused_proxies_total')!.get()).values
    .filter(({ value }) => value > 0)
    .map(({ labels, value }) => [labels.reason, value]);

describe('proxy authenticator', () => {
  it('lets a pod in under its own name, account and addresses', async () => {
    const { call, refused } = await admit();
    expect(refused).toBeUndefined();
    call.close();
    expect((await admit({ ipAddresses: ['fd00:0::1'] })).refused).toBeUndefined();
    expect(await refusals()).toEqual([]);
  });

  it.each([
    ['another namespace', { namespace: 'bank' }, 'the token\'s namespace is "shop", the node\'s "bank"'],
    ['another pod', { name: 'cart-2' }, 'the token\'s pod is "cart-1", the node\'s "cart-2"'],
    ['another service account', { serviceAccount: 'admin' }, 'the token\'s service account is "cart", the node\'s "admin"'],
    [
      'everything of another',
      { namespace: 'bank', name: 'b', serviceAccount: 'c' },
      'namespace is "shop", the node\'s "bank"; the token\'s pod',
    ],
  ])('refuses a node that names %s', async (_, node, message) => {
    expect((await admit(node)).refused).toMatchObject({
      code: status.PERMISSION_DENIED,
      message: expect.stringContaining(message),
    });
    expect(await refusals()).toEqual([['foreign_node', 1]]);
  });

  it('takes a node that names no account for no other than the token’s: it is let in, and gets nothing by it', async () => {
    expect((await admit({ serviceAccount: '' })).refused).toBeUndefined();
    for (const node of [{ namespace: 'bank' }, { name: 'cart-2' }, { ipAddresses: ['10.0.0.9'] }])
      expect((await admit({ ...node, serviceAccount: '' })).refused).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await refusals()).toEqual([
      ['foreign_node', 2],
      ['foreign_address', 1],
    ]);
  });

  it('refuses a node with the address of another pod, by which it would be given what that one serves', async () => {
    expect((await admit({ ipAddresses: ['10.0.0.1', '10.0.0.9'] })).refused).toEqual({
      code: status.PERMISSION_DENIED,
      message: 'pod shop/cart-1 has the addresses 10.0.0.1, fd00::1; the node names 10.0.0.9',
    });
    expect(await refusals()).toEqual([['foreign_address', 1]]);
  });

  it.each([
    ['no token', []],
    ['another scheme', ['Basic eDp5']],
    ['two tokens', [`Bearer ${token}`, `Bearer ${token}`]],
  ])('refuses %s', async (_, values) => {
    expect((await admit({}, callWith(...values))).refused).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await refusals()).toEqual([['no_token', 1]]);
  });

  it('refuses a token that is not believed, by its reason, and never logs it', async () => {
    review = async () => ({ outcome: 'refused', reason: 'expired', message: 'the token expired' });
    for (let time = 0; time < 3; time++)
      expect((await admit()).refused).toEqual({ code: status.UNAUTHENTICATED, message: 'the token expired' });
    expect(await refusals()).toEqual([['expired', 3]]);
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('asks a proxy to come back when the API server does not answer', async () => {
    review = async () => {
      throw new Error('ECONNREFUSED');
    };
    expect((await admit()).refused).toMatchObject({ code: status.UNAVAILABLE });
    expect(await refusals()).toEqual([['not_reviewed', 1]]);
  });

  it('refuses proxies of a namespace that takes no part', async () => {
    outsiders.add('shop');
    expect((await admit()).refused).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await refusals()).toEqual([['foreign_namespace', 1]]);
  });

  it('waits for the watch to bring the pod, its successor of the same name, or its address', async () => {
    for (const [before, uid] of [
      [undefined, 'u2'],
      [podOf({ uid: 'u0' }), 'u3'],
      [podOf({ uid: 'u4', podIPs: [] }), 'u4'],
    ] as const) {
      const after = podOf({ uid });
      review = async () => ({ outcome: 'authenticated', identity: { ...identity, pod: { name: 'cart-1', uid } } });
      pods.replace(before ? [before] : []);
      const admitted = admit();
      await settle();
      clock.advance(9_000);
      pods.apply(after);
      expect((await admitted).refused).toBeUndefined();
      expect(clock.pendingTimers).toBe(0);
    }
  });

  it('asks a proxy whose pod stays unknown to come back', async () => {
    review = async () => ({ outcome: 'authenticated', identity: { ...identity, pod: { name: 'cart-1', uid: 'u2' } } });
    const admitted = admit();
    await settle();
    pods.apply(podOf({ podIPs: ['10.0.0.1'], resourceVersion: '2' }));
    await clock.advanceAsync(10_000);
    expect((await admitted).refused).toMatchObject({ code: status.UNAVAILABLE });
    expect(await refusals()).toEqual([['unknown_pod', 1]]);
  });

  it('turns a pod’s streams out when it is deleted or replaced, and only then', async () => {
    const { ends } = await admit();
    pods.apply(podOf({ podIPs: ['10.0.0.1'], resourceVersion: '2' }));
    pods.delete('shop/other');
    expect(ends).toEqual([]);
    pods.delete('shop/cart-1');
    expect(ends).toEqual([expect.objectContaining({ code: status.UNAUTHENTICATED, message: 'pod shop/cart-1 was deleted' })]);
    expect(forgotten).toEqual(['u1']);
    expect((await admit()).refused).toEqual({ code: status.UNAUTHENTICATED, message: 'pod shop/cart-1 was deleted' });

    review = async () => ({ outcome: 'authenticated', identity: { ...identity, pod: { name: 'cart-1', uid: 'u2' } } });
    pods.apply(podOf({ uid: 'u2' }));
    const stream = await admit();
    expect(stream.refused).toBeUndefined();
    pods.apply(podOf({ uid: 'u3' }));
    expect(stream.ends).toHaveLength(1);
    expect(await refusals()).toEqual([['deleted_pod', 3]]);
  });

  it('ends the stream before, where a pod opens another, and no other pod’s', async () => {
    const first = await admit();
    pods.apply(podOf({ uid: 'u2', name: 'cart-2', podIPs: ['10.0.0.2'] }));
    review = async () => ({ outcome: 'authenticated', identity: { ...identity, pod: { name: 'cart-2', uid: 'u2' } } });
    const neighbour = await admit({ name: 'cart-2', ipAddresses: ['10.0.0.2'] });
    review = async () => ({ outcome: 'authenticated', identity });
    expect(first.ends).toEqual([]);
    // One that is refused takes nobody's place.
    expect((await admit({ ipAddresses: ['10.0.0.9'] })).refused).toBeDefined();
    expect(first.ends).toEqual([]);
    const second = await admit();
    expect(first.ends).toEqual([
      expect.objectContaining({ code: status.ABORTED, message: expect.stringContaining('pod shop/cart-1 has taken') }),
    ]);
    second.call.close();
    await admit();
    expect([first.ends.length, second.ends.length, neighbour.ends.length]).toEqual([1, 0, 0]);
    expect(await refusals()).toEqual([
      ['foreign_address', 1],
      ['superseded', 1],
    ]);
  });

  it('gives a proxy the labels of its pod, and the new ones when these change', async () => {
    pods.apply(podOf({ labels: { app: 'cart' }, resourceVersion: '2' }));
    const { labels, call } = await admit({ labels: { app: 'payments' } });
    expect(labels).toEqual([{ app: 'cart' }]);
    pods.apply(podOf({ labels: { app: 'payments' }, resourceVersion: '3' }));
    pods.apply(podOf({ resourceVersion: '4' }));
    expect(labels).toEqual([{ app: 'cart' }, { app: 'payments' }, {}]);
    call.close();
    pods.apply(podOf({ labels: { app: 'other' }, resourceVersion: '5' }));
    expect(labels).toHaveLength(3);
  });

  it('lets no address take all the room there is for those who wait, and frees it with their streams', async () => {
    const held = Promise.withResolvers<Review>();
    review = () => held.promise;
    // 512 tokens of 16 KiB are the quarter of 32 MiB that one address may hold.
    const large = `Bearer ${'x'.repeat(16_377)}`;
    const calls = Array.from({ length: 512 }, (_, index) => callFrom(`10.0.0.66:${index + 1}`, large));
    const waiting = calls.map((call) => admit({}, call));
    expect((await admit({}, callFrom('10.0.0.66:9999', large))).refused).toMatchObject({
      code: status.UNAVAILABLE,
      message: expect.stringContaining('too many'),
    });
    expect(await refusals()).toEqual([['too_many_waiting', 1]]);
    const neighbour = admit();
    calls[0]!.close();
    const again = admit({}, callFrom('10.0.0.66:9999', large));
    held.resolve({ outcome: 'authenticated', identity });
    expect((await neighbour).refused).toBeUndefined();
    expect((await again).refused).toBeUndefined();
    await Promise.all(waiting);
    // Who has been let in waits no more.
    const next = Array.from({ length: 512 }, (_, index) => admit({}, callFrom(`10.0.0.66:${index + 1}`, large)));
    expect((await Promise.all(next)).map(({ refused }) => refused)).toEqual(next.map(() => undefined));
  });

  describe('answers with the code and the count that the reference names', () => {
    const { UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE, ABORTED } = status;
    const ofToken = (reason: TokenRefusal) => async () => {
      review = async () => ({ outcome: 'refused', reason, message: 'no' });
      return (await admit()).refused;
    };
    const ofNode = (node: Partial<ProxyNode>) => async () => (await admit(node)).refused;
    const unauthenticated: Record<string, () => Promise<unknown>> = {
      no_token: async () => (await admit({}, callWith())).refused,
      malformed: ofToken('malformed'),
      expired: ofToken('expired'),
      invalid: ofToken('invalid'),
      wrong_audience: ofToken('wrong_audience'),
      not_a_service_account: ofToken('not_a_service_account'),
      not_bound_to_a_pod: ofToken('not_bound_to_a_pod'),
      async deleted_pod() {
        pods.delete('shop/cart-1');
        return (await admit()).refused;
      },
    };
    const denied: typeof unauthenticated = {
      foreign_node: ofNode({ name: 'cart-2' }),
      foreign_address: ofNode({ ipAddresses: ['10.0.0.9'] }),
      async foreign_namespace() {
        outsiders.add('shop');
        return (await admit()).refused;
      },
    };
    const later: typeof unauthenticated = {
      async unknown_pod() {
        review = async () => ({ outcome: 'authenticated', identity: { ...identity, pod: { name: 'cart-1', uid: 'u2' } } });
        const admitted = admit();
        await settle();
        await clock.advanceAsync(10_000);
        return (await admitted).refused;
      },
      async not_reviewed() {
        review = () => Promise.reject(new Error('ECONNREFUSED'));
        return (await admit()).refused;
      },
      too_many_waiting: async () => (await admit({}, callWith(`Bearer ${'x'.repeat(9_000_000)}`))).refused,
    };
    const aborted: typeof unauthenticated = {
      async superseded() {
        const { ends } = await admit();
        await admit();
        return ends[0];
      },
    };
    const cases = [
      [UNAUTHENTICATED, unauthenticated],
      [PERMISSION_DENIED, denied],
      [UNAVAILABLE, later],
      [ABORTED, aborted],
    ] as const;
    const all = cases.flatMap(([code, of]) => Object.entries(of).map(([reason, provoke]) => [reason, code, provoke] as const));

    it.each(all)('%s', async (reason, code, provoke) => {
      expect(await provoke()).toMatchObject({ code });
      expect(await refusals()).toEqual([[reason, 1]]);
      const rows = readFileSync('docs/reference/security.md', 'utf8').split('\n');
      expect(rows.filter((row) => row.startsWith('| `') && row.includes(`\`${reason}\``))).toEqual([
        expect.stringContaining(`| ${status[code]} |`),
      ]);
    });

    it('and with no other reason', async () => {
      const { values } = await registry.getSingleMetric('weft_xds_refused_proxies_total')!.get();
      const registered = values.map(({ labels }) => labels.reason as RefusalReason);
      expect(registered.toSorted()).toEqual(all.map(([reason]) => reason).toSorted());
    });
  });

  it('does not take the end of a namespace’s part in the mesh for that of its pods', async () => {
    const { ends } = await admit();
    outsiders.add('shop');
    pods.delete('shop/cart-1');
    expect(ends).toEqual([]);
    expect(forgotten).toEqual([]);
  });
});
