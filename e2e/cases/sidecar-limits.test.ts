import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { SidecarSpec } from '../../src/api/sidecar/schema.ts';
import { makeCall } from '../env/client.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { sidecar } from '../env/mesh-objects.ts';
import { startProxy } from '../env/proxy.ts';

const { keep, release } = createKeeper();
afterEach(release);

describe.skipIf((await findEnvoy()) === undefined)('connection pools of inbound ports', () => {
  /** A proxy in front of a workload, with one port. */
  const front = async (port: { number: number; name: string; protocol: string }, to: number, spec: Partial<SidecarSpec>) => {
    const ingress = [{ port, bind: '127.0.0.1', defaultEndpoint: `127.0.0.1:${to}` }];
    const object = sidecar('default', { ingress, ...spec });
    const plane = await keep(startControlPlane({ files: { 'sidecar.yaml': [object] } }));
    const envoy = await keep(startProxy({ plane, identity: { interceptionMode: 'NONE' } }));
    await plane.waitReady(object, { affected: 1 });
    return { plane, envoy, ingress };
  };

  it('bite: what waits beyond the limit is answered with 503 at once, until the limit is lifted', async () => {
    const app = await keep(startEcho({ name: 'app' }));
    const number = await freePort();
    const { plane, envoy, ingress } = await front({ number, name: 'http', protocol: 'HTTP' }, app.port, {
      inboundConnectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } },
    });
    const ask = (path: string) => makeCall({ to: `127.0.0.1:${number}`, path });
    const cluster = `cluster.inbound|${number}||`;
    const slow = ask('/delay?ms=2000');
    await envoy.waitForStat(`${cluster}.upstream_rq_active`, (count) => count === 1);
    const waiting = ask('/');
    await envoy.waitForStat(`${cluster}.upstream_rq_pending_active`, (count) => count === 1);
    const refused = await ask('/');
    expect(refused.status).toBe(503);
    expect(refused.headers['x-envoy-overloaded']).toBe('true');
    expect(await envoy.waitForStat(`${cluster}.upstream_rq_pending_overflow`, (count) => count > 0)).toBe(1);
    expect([(await slow).status, (await waiting).status]).toEqual([200, 200]);

    await plane.apply('sidecar.yaml', [sidecar('default', { ingress })], { affected: 1 });
    const answers = await Promise.all([ask('/delay?ms=300'), ask('/delay?ms=300'), ask('/delay?ms=300')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('close a TCP connection too many, and one that is idle for too long', async () => {
    const app = await keep(startEcho({ name: 'lines', protocol: 'tcp' }));
    const number = await freePort();
    const { envoy } = await front({ number, name: 'tcp', protocol: 'TCP' }, app.port, {
      inboundConnectionPool: { tcp: { maxConnections: 1, idleTimeout: '1s' } },
    });
    const open = () => {
      const socket = connect(number, '127.0.0.1').setEncoding('utf8');
      socket.on('error', () => {});
      const greeted = new Promise<string>((resolve) => {
        socket.once('data', resolve);
        socket.once('close', () => resolve('closed'));
      });
      return { greeted, closed: new Promise<void>((resolve) => socket.once('close', () => resolve())) };
    };
    const first = open();
    expect(await first.greeted).toBe('lines\n');
    expect(await open().greeted).toBe('closed');
    expect(await envoy.waitForStat(`cluster.inbound|${number}||.upstream_cx_overflow`, (count) => count > 0)).toBe(1);
    await first.closed;
    expect(await envoy.waitForStat(`tcp.inbound|${number}||.idle_timeout`, (count) => count > 0)).toBe(1);
    expect(await open().greeted).toBe('lines\n');
  });

  it('of one listener replace the common ones as a whole', async () => {
    const app = await keep(startEcho({ name: 'app' }));
    const number = await freePort();
    const connectionPool = { http: { maxRequestsPerConnection: 1 } };
    const { envoy } = await front({ number, name: 'http', protocol: 'HTTP' }, app.port, {
      ingress: [
        {
          port: { number, name: 'http', protocol: 'HTTP' },
          bind: '127.0.0.1',
          defaultEndpoint: `127.0.0.1:${app.port}`,
          connectionPool,
        },
      ],
      inboundConnectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } },
    });
    const paths = ['/delay?ms=300', '/delay?ms=300', '/delay?ms=300', '/'];
    const answers = await Promise.all(paths.map((path) => makeCall({ to: `127.0.0.1:${number}`, path })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ echo }) => echo?.remotePort)).size).toBe(4);
    expect(await envoy.waitForStat(`cluster.inbound|${number}||.upstream_cx_max_requests`, (count) => count === 4)).toBe(4);
  });
});
