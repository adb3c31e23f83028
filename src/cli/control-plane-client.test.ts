import { describe, expect, it } from 'vitest';
import type { Replica, ReplicaAnswer } from './cluster/replica.ts';
import { ControlPlaneClient } from './control-plane-client.ts';

const replica = (name: string, answer: Partial<ReplicaAnswer> | Error, isLeader = false): Replica => ({
  name,
  isLeader,
  get: async () => {
    if (answer instanceof Error) throw answer;
    return { status: 200, text: 'null', ...answer };
  },
});

describe('ControlPlaneClient', () => {
  it('leaves out replicas that have no such thing', async () => {
    const client = new ControlPlaneClient([replica('a', { status: 404 }), replica('b', { text: '["x"]' })]);
    expect(await client.askEach('/config/shop/web')).toEqual([['x']]);
  });

  it('fails if one of them cannot be reached, and says which', async () => {
    const client = new ControlPlaneClient([replica('a', { text: '[]' }), replica('b', new Error('connection refused'))]);
    await expect(client.askEach('/proxies')).rejects.toThrow('no control plane answers at b: connection refused');
  });

  it('fails on an error, with what was answered', async () => {
    const client = new ControlPlaneClient([replica('a', { status: 500, text: 'broken\n' }, true)]);
    await expect(client.askLeader('/status')).rejects.toThrow('a/status answered 500: broken');
  });
});
