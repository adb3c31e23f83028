import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mesh } from '../../mesh/mesh.ts';
import type { LogFields } from '../../runtime/logger.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { eventually } from '../../runtime/testing/eventually.ts';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import type { Propagation } from '../../xds/ledger.ts';
import { type HttpServer, startHttpServer } from '../http-server.ts';
import { MergedPropagation } from './merged-propagation.ts';
import { sharedToken } from './replica-credential.ts';
import { ReplicaHub } from './replica-hub.ts';
import { heartbeatMs, maxLineBytes, replicationPath, replicationProtocol, silenceMs } from './replica-line.ts';

const key = 'ServiceEntry/shop/api';
const nobody: Propagation = {
  ...{ affected: 0, acked: 0, rejected: 0, pending: 0, rejections: [], laggards: [] },
  ...{ pendingSince: undefined, revision: 1, current: true },
};

describe('ReplicaHub', () => {
  let stop: AbortController;
  let clock: FakeClock;
  let merged: MergedPropagation;
  let server: HttpServer;
  let hub: ReplicaHub;
  let ended: Promise<void>;
  let warned: LogFields[];
  let sockets: Socket[];

  const lead = (maxReplicas?: number) => {
    const logger = { ...silentLogger, warn: (_: string, fields: LogFields = {}) => void warned.push(fields) };
    hub = new ReplicaHub({ merged, credential: sharedToken('shared'), clock, logger, ...(maxReplicas ? { maxReplicas } : {}) });
    ended = hub.start(stop.signal);
  };
  beforeEach(async () => {
    [clock, warned, sockets, stop] = [new FakeClock(), [], [], new AbortController()];
    const mesh = new Mesh();
    mesh.verdicts.set(key, { generation: 1, uid: 'u', outcome: 'accepted', findings: [], generationInForce: 1 });
    merged = new MergedPropagation({ local: { propagation: () => nobody, onDirty: () => () => {} }, mesh, clock });
    server = await startHttpServer('127.0.0.1', 0, '--replica-bind', new Map(), {
      upgrade: (request, socket, head) => hub.accept(request, socket, head),
    });
    lead();
  });
  afterEach(async () => {
    stop.abort();
    for (const socket of sockets) socket.destroy();
    merged.close();
    await server.close();
  });

  /** Asks as a follower does, and answers with the socket and the first line that came back. */
  const ask = async ({ token = 'shared', protocol = replicationProtocol } = {}): Promise<[Socket, string]> => {
    const [host, port] = server.address.split(':') as [string, string];
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    sockets.push(socket);
    const headers = `connection: upgrade\r\nupgrade: ${protocol}\r\nauthorization: Bearer ${token}\r\nx-weft-replica: other`;
    socket.write(`GET ${replicationPath} HTTP/1.1\r\nhost: x\r\n${headers}\r\n\r\n`);
    const [piece] = (await once(socket, 'data')) as [Buffer];
    return [socket, piece.toString().split('\r\n')[0]!];
  };
  const object = { type: 'object', key, generation: 1, uid: 'u', served: true, affected: 3, acked: 3, rejected: 0, pending: 0 };
  const join = async (): Promise<Socket> => {
    const [socket, answer] = await ask();
    expect(answer).toBe('HTTP/1.1 101 Switching Protocols');
    socket.write(`${JSON.stringify(object)}\n${JSON.stringify({ type: 'synced' })}\n`);
    await eventually(() => expect(merged.propagation(key).affected).toBe(3));
    return socket;
  };

  it('drops one that falls silent from the totals, and says so', async () => {
    const socket = await join();
    for (let beats = 0; beats < 5; beats++) {
      clock.advance(heartbeatMs);
      socket.write('\n');
      // Its sign of life has to arrive before the clock moves on.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(merged.propagation(key).affected).toBe(3);
    clock.advance(silenceMs);
    await eventually(() => expect(merged.propagation(key).affected).toBe(0));
    expect(warned).toEqual([{ replica: 'other', reason: 'nothing was heard of it for 15 s' }]);
  });

  it('drops one that is not understood, and says why', async () => {
    const socket = await join();
    socket.write('{"type":"nonsense"}\n');
    await eventually(() => expect(merged.propagation(key).affected).toBe(0));
    expect(warned[0]!.reason).toMatch(/not understood: .*none of this protocol/);
    const other = await join();
    other.write('x'.repeat(maxLineBytes + 1));
    await eventually(() => expect(merged.propagation(key).affected).toBe(0));
    expect(warned[1]!.reason).toMatch(/longer than 65536 bytes/);
  });

  it('takes in no more replicas than it should, none of another protocol, and none while it does not lead', async () => {
    lead(1);
    await join();
    expect((await ask())[1]).toBe('HTTP/1.1 429 Too Many Requests');
    expect((await ask({ protocol: 'weft-replication-0' }))[1]).toBe('HTTP/1.1 400 Bad Request');
    expect((await ask({ token: 'other' }))[1]).toBe('HTTP/1.1 401 Unauthorized');
    stop.abort();
    await ended;
    await eventually(() => expect(merged.propagation(key).affected).toBe(0));
    expect((await ask())[1]).toBe('HTTP/1.1 503 Service Unavailable');
    expect(warned).toEqual([]);
  });
});
