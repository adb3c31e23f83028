import { createServer } from 'node:http';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { askOver } from './cluster/port-forward.ts';
import type { Replica, ReplicaAnswer } from './cluster/replica.ts';
import { ControlPlaneClient, directReplica } from './control-plane-client.ts';

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

describe('over a connection', () => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/none' ? 404 : 200;
    response.end(JSON.stringify({ path: request.url, padding: 'x'.repeat(200_000) }));
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it('one question is asked and the whole answer read; directly the same', async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    for (const path of ['/status', '/none']) {
      const direct = await directReplica(`127.0.0.1:${port}`).get(path);
      expect(await askOver(connectSocket(port, '127.0.0.1'), path)).toEqual(direct);
      expect(direct.text).toHaveLength(200_000 + JSON.stringify({ path, padding: '' }).length);
    }
  });
});
