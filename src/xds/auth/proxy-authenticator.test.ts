import { EventEmitter } from 'node:events';
import { Metadata, status } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { podKind } from '../../api/kubernetes/pod.ts';
import type { ProxyNode } from '../../mesh/proxy.ts';
import { ObjectStore } from '../../runtime/cache/object-store.ts';
import { FakeClock, settle } from '../../runtime/testing/fake-clock.ts';
import { type LoggedLine, logInto } from '../../runtime/testing/log-lines.ts';
import type { AdsCall } from '../stream.ts';
import type { StreamError } from '../wire/stream-error.ts';
import { type KnownPod, ProxyAuthenticator } from './proxy-authenticator.ts';
import type { Review } from './token-reviewer.ts';

const token = 'e30.e30.secret';
const identity = { namespace: 'shop', serviceAccount: 'cart', pod: { name: 'cart-1', uid: 'u1' } };
const own = { namespace: 'shop', name: 'cart-1', serviceAccount: 'cart', ipAddresses: ['10.0.0.1'] };

const podOf = (fields: { uid?: string; name?: string; podIPs?: string[]; resourceVersion?: string } = {}): KnownPod => {
  const { uid = 'u1', name = 'cart-1', podIPs = ['10.0.0.1', 'fd00::1'], resourceVersion } = fields;
  const metadata = { name, namespace: 'shop', uid, ...(resourceVersion && { resourceVersion }) };
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
  destroyed = false;
  close(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

const callWith = (...values: string[]): Call => {
  const call = new Call();
  for (const value of values) call.metadata.add('authorization', value);
  return call;
};

/** What becomes of a proxy: let in, or why not; and how it was turned out later. */
const admit = async (node: Partial<ProxyNode> = {}, call = callWith(`Bearer ${token}`)) => {
  const ends: StreamError[] = [];
  try {
    const authorize = await authenticator.authenticate(call as unknown as AdsCall);
    await authorize({ ...own, ...node } as ProxyNode, (error) => ends.push(error));
    return { call, ends, refused: undefined };
  } catch (error) {
    const { code, message } = error as StreamError;
    return { call, ends, refused: { code, message } };
  }
};

const refusals = async () =>
  (await registry.getSingleMetric('weft_xds_refused_proxies_total')!.get()).values
    .filter(({ value }) => value > 0)
    .map(({ labels, value }) => [labels.reason, value]);

describe('proxy authenticator', () => {
  it('lets a pod in under its own name, account and addresses', async () => {
    expect((await admit()).refused).toBeUndefined();
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
    const streams = [await admit(), await admit()];
    streams[1]!.call.close();
    pods.apply(podOf({ podIPs: ['10.0.0.1'], resourceVersion: '2' }));
    pods.delete('shop/other');
    expect(streams.map(({ ends }) => ends.length)).toEqual([0, 0]);
    pods.delete('shop/cart-1');
    expect(streams.map(({ ends }) => ends.length)).toEqual([1, 0]);
    expect(streams[0]!.ends[0]).toMatchObject({ code: status.UNAUTHENTICATED, message: 'pod shop/cart-1 was deleted' });
    expect(forgotten).toEqual(['u1']);
    streams[0]!.call.close();
    expect((await admit()).refused).toEqual({ code: status.UNAUTHENTICATED, message: 'pod shop/cart-1 was deleted' });

    review = async () => ({ outcome: 'authenticated', identity: { ...identity, pod: { name: 'cart-1', uid: 'u2' } } });
    pods.apply(podOf({ uid: 'u2' }));
    const stream = await admit();
    expect(stream.refused).toBeUndefined();
    pods.apply(podOf({ uid: 'u3' }));
    expect(stream.ends).toHaveLength(1);
    expect(await refusals()).toEqual([['deleted_pod', 3]]);
  });

  it('does not take the end of a namespace’s part in the mesh for that of its pods', async () => {
    const { ends } = await admit();
    outsiders.add('shop');
    pods.delete('shop/cart-1');
    expect(ends).toEqual([]);
    expect(forgotten).toEqual([]);
  });
});
