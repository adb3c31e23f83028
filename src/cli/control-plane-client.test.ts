import { describe, expect, it } from 'vitest';
import type { Replica, ReplicaAnswer, ReplicaSource } from './cluster/replica.ts';
import { ControlPlaneClient } from './control-plane-client.ts';

const replica = (name: string, answer: Partial<ReplicaAnswer> | Error, isLeader = false): Replica => ({
  name,
  isLeader,
  get: async () => {
    if (answer instanceof Error) throw answer;
    return { status: 200, text: 'null', ...answer };
  },
  close() {},
});

/** What is found at the first look, at the second, and so on. */
const looks = (...found: Replica[][]): ReplicaSource => {
  let count = 0;
  return { find: async () => found[Math.min(count++, found.length - 1)]!, close() {} };
};

describe('ControlPlaneClient', () => {
  it('leaves out replicas that have no such thing', async () => {
    const client = new ControlPlaneClient(looks([replica('a', { status: 404 }), replica('b', { text: '["x"]' })]));
    expect(await client.askEach('/config/shop/web')).toEqual([['x']]);
  });

  it('fails if one of them cannot be reached, and says which', async () => {
    const client = new ControlPlaneClient(looks([replica('a', { text: '[]' }), replica('b', new Error('connection refused'))]));
    await expect(client.askEach('/proxies')).rejects.toThrow('no control plane answers at b: connection refused');
  });

  it('fails on an error, with what was answered', async () => {
    const client = new ControlPlaneClient(looks([replica('a', { status: 500, text: 'broken\n' }, true)]));
    await expect(client.askLeader('/status')).rejects.toThrow('a/status answered 500: broken');
  });

  it('looks again for the leader when the last one does not answer any more', async () => {
    const answers = [{ text: '1' }, new Error('gone')];
    const leaving: Replica = { ...replica('a', {}, true), get: async () => replica('a', answers.shift()!).get('') };
    const client = new ControlPlaneClient(looks([leaving], [replica('b', { text: '2' }, true)]));
    expect(await client.askLeader('/status')).toBe(1);
    expect(await client.askLeader('/status')).toBe(2);
    expect(client.name).toBe('b');
  });

  it('does not look again where there was no answer at all', async () => {
    const client = new ControlPlaneClient(looks([replica('a', new Error('refused'), true)], [replica('b', {}, true)]));
    await expect(client.askLeader('/status')).rejects.toThrow('no control plane answers at a: refused');
  });
});
