import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mesh } from '../../mesh/mesh.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type LogFields, silentLogger } from '../../runtime/logger.ts';
import { eventually } from '../../runtime/testing/eventually.ts';
import { selfSigned } from '../../runtime/testing/self-signed.ts';
import { CertificateValue } from '../../runtime/webhook/certificates.ts';
import type { DirtyObjects, Propagation } from '../../xds/ledger.ts';
import { startHttpServer } from '../http-server.ts';
import { Follower, type FollowerOptions } from './follower.ts';
import { LineReader } from './line-reader.ts';
import { MergedPropagation } from './merged-propagation.ts';
import { sharedToken } from './replica-credential.ts';
import { ReplicaHub } from './replica-hub.ts';
import { replicationProtocol } from './replica-line.ts';

const keyOf = (index: number) => `ServiceEntry/shop/api-${index}`;

/** A replica whose counts a test moves. */
class Counts {
  readonly mesh = new Mesh();
  acked = 0;
  asked = 0;
  #listener: (objects: DirtyObjects) => void = () => {};
  /** Objects that no proxy has anything of. */
  readonly free = new Set<string>();
  readonly ledger: FollowerOptions['ledger'] = {
    propagation: (key): Propagation => {
      this.asked++;
      const affected = this.free.has(key) ? 0 : 1_000_000;
      return {
        ...{ affected, acked: this.acked, rejected: 0, pending: 1_000_000 - this.acked, rejections: [] },
        ...{ laggards: ['x'.repeat(400)], pendingSince: undefined, revision: 1, current: true },
      };
    },
    onDirty: (listener) => {
      this.#listener = listener;
      return () => {};
    },
  };

  constructor(objects: number) {
    for (let index = 0; index < objects; index++) {
      this.mesh.verdicts.set(keyOf(index), {
        ...{ generation: 1, uid: 'u', outcome: 'accepted', findings: [], generationInForce: 1 },
      });
    }
  }

  move(): void {
    this.acked++;
    this.#listener('all');
  }
}

describe('Follower', () => {
  let stop: AbortController;
  let running: Promise<void>;
  let warned: LogFields[];
  const follow = (counts: Counts, options: Partial<FollowerOptions>) => {
    const { mesh, ledger } = counts;
    const logger = { ...silentLogger, warn: (_: string, fields: LogFields = {}) => void warned.push(fields) };
    const common = { mesh, ledger, identity: 'me_127.0.0.1:1', credential: sharedToken('shared'), pollMs: 10, logger };
    running = new Follower({ ...common, leader: () => undefined, ...options }).start(stop.signal);
  };
  beforeEach(() => {
    stop = new AbortController();
    warned = [];
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  describe('and a leader that does not read', () => {
    let server: Server;
    let sockets: Duplex[];
    let address: string;
    beforeEach(async () => {
      sockets = [];
      server = createServer().on('upgrade', (_request, socket: Duplex) => {
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${replicationProtocol}\r\n\r\n`);
        socket.on('error', () => {}).pause();
        sockets.push(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });

    it('keeps what it has to say by object, however often that changes, and tells the newest when it is heard again', async () => {
      const objects = 20_000;
      const counts = new Counts(objects);
      follow(counts, { leader: () => `leader_${address}` });
      await eventually(() => expect(sockets).toHaveLength(1));
      await eventually(async () => {
        const before = counts.asked;
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(counts.asked).toBe(before);
      });
      const { asked } = counts;
      // The connection holds some of it, the rest is not even computed.
      expect(asked).toBeLessThan(objects);
      for (let round = 0; round < 50; round++) counts.move();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(counts.asked).toBe(asked);

      const newest = new Map<string, number>();
      let text = '';
      sockets[0]!.on('data', (piece: Buffer) => {
        const lines = (text + piece.toString()).split('\n');
        text = lines.pop()!;
        for (const line of lines.filter((each) => each !== '')) {
          const { key, acked } = JSON.parse(line) as { key?: string; acked: number };
          if (key) newest.set(key, acked);
        }
      });
      sockets[0]!.resume();
      await eventually(() => expect([newest.size, new Set(newest.values())]).toEqual([objects, new Set([50])]));
    });
  });

  it('gives up a leader that does not answer as soon as another one leads', async () => {
    const asked: string[] = [];
    const sockets: Duplex[] = [];
    // One takes connections and says nothing, as the address of a pod that is gone.
    const servers = ['gone', 'new'].map((name) =>
      createServer().on('upgrade', (_request, socket: Duplex) => {
        asked.push(name);
        sockets.push(socket);
        socket.on('error', () => {});
      }),
    );
    const addresses: string[] = [];
    for (const server of servers) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      addresses.push(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    }
    let leading = 0;
    follow(new Counts(1), { leader: () => `leader_${addresses[leading]}` });
    await eventually(() => expect(asked).toEqual(['gone']));
    leading = 1;
    await eventually(() => expect(asked).toEqual(['gone', 'new']));
    stop.abort();
    await running;
    for (const socket of sockets) socket.destroy();
    for (const server of servers) await new Promise((resolve) => server.close(resolve));
  });

  it('tells a new leader of what was deleted before, while its proxies still have something of it', async () => {
    const counts = new Counts(3);
    const told: { type: string; key?: string; generation?: number; affected?: number }[] = [];
    const sockets: Duplex[] = [];
    const server = createServer().on('upgrade', (_request, socket: Duplex) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${replicationProtocol}\r\n\r\n`);
      const reader = new LineReader();
      socket.on('data', (piece: Buffer) => told.push(...([...reader.push(piece)] as typeof told))).on('error', () => {});
      sockets.push(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    let leader: string | undefined;
    follow(counts, { leader: () => leader });
    await new Promise((resolve) => setImmediate(resolve));
    for (const index of [1, 2]) counts.mesh.verdicts.delete(keyOf(index));
    counts.free.add(keyOf(2));
    leader = `leader_127.0.0.1:${(server.address() as AddressInfo).port}`;
    await eventually(() => expect(told.map(({ type }) => type)).toContain('synced'));
    expect(told.slice(0, -1).map(({ type, key, generation }) => [type, key, generation])).toEqual([
      ['object', keyOf(0), 1],
      ['object', keyOf(1), undefined],
      ['gone', keyOf(2), undefined],
    ]);
    counts.free.add(keyOf(1));
    counts.move();
    await eventually(() => expect(told).toContainEqual({ type: 'gone', key: keyOf(1) }));
    // It is over: the next leader hears nothing of it.
    told.length = 0;
    sockets[0]!.destroy();
    await eventually(() => expect(told.map(({ type }) => type)).toContain('synced'));
    expect(told.filter(({ key }) => key !== undefined).map(({ key }) => key)).toEqual([keyOf(0)]);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('keeps its token from a network without TLS, unless told that this is right', async () => {
    follow(new Counts(1), { leader: () => 'leader_192.0.2.1:15016' });
    await eventually(() => expect(warned).toHaveLength(1));
    expect(warned[0]!.problem).toMatch(/192\.0\.2\.1:15016 .*readable for others: give --replica-tls-cert/);
  });

  describe('over TLS', () => {
    let folder: string;
    let caFile: string;
    const readCa = () => readFile(caFile, 'utf8');
    let merged: MergedPropagation;
    let server: { address: string; close(): Promise<void> };
    const first = selfSigned();
    const certificates = new CertificateValue(first);
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'weft-follower-'));
      caFile = join(folder, 'ca.crt');
      certificates.set(first);
      const mesh = new Counts(1).mesh;
      const local = { propagation: () => new Counts(0).ledger.propagation(keyOf(0)), onDirty: () => () => {} };
      merged = new MergedPropagation({ local, mesh, clock: systemClock });
      const hub = new ReplicaHub({ merged, credential: sharedToken('shared') });
      void hub.start(stop.signal);
      server = await startHttpServer('127.0.0.1', 0, '', new Map(), { upgrade: hub.accept, certificates });
    });
    afterEach(async () => {
      stop.abort();
      merged.close();
      await server.close();
      await rm(folder, { recursive: true });
    });
    const leader = () => `leader_${server.address}`;

    it('is counted by a leader whose certificate its authority signed', async () => {
      await writeFile(caFile, first.certificate);
      follow(new Counts(1), { leader, tls: { readCa } });
      await eventually(() => expect(merged.replicas).toBe(1));
      expect(warned).toEqual([]);
    });

    it('says whom it does not believe, and goes on when the file of authorities is renewed', async () => {
      await writeFile(caFile, selfSigned().certificate);
      follow(new Counts(1), { leader, tls: { readCa } });
      await eventually(() => expect(warned).toHaveLength(1));
      expect(warned[0]!.problem).toMatch(/the leader at 127\.0\.0\.1:\d+ cannot be reached: .*(self.signed|certificate)/);
      expect(merged.replicas).toBe(0);
      const next = selfSigned(['replicas.weft.example']);
      certificates.set(next);
      await writeFile(caFile, next.certificate);
      await eventually(() => expect(warned).toHaveLength(2));
      expect(warned[1]!.problem).toMatch(/does not match certificate's altnames/);
      expect(merged.replicas).toBe(0);
    });

    it('takes the name that it is told for that of the leader', async () => {
      const named = selfSigned(['replicas.weft.example']);
      certificates.set(named);
      await writeFile(caFile, named.certificate);
      follow(new Counts(1), { leader, tls: { readCa, serverName: 'replicas.weft.example' } });
      await eventually(() => expect(merged.replicas).toBe(1));
    });
  });
});
