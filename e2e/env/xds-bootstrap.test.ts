import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildBootstrap, type XdsOptions } from './bootstrap.ts';
import { type Envoy, startEnvoy } from './envoy.ts';
import { findEnvoy } from './envoy-binary.ts';
import { eventually } from './eventually.ts';
import { type Relay, startRelay } from './relay.ts';

const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

/** What a stream of the proxy's brought: its path, and the bytes it sent. */
interface Seen {
  path: string;
  bytes: Buffer;
}

describe.skipIf((await findEnvoy()) === undefined)('the control plane in the bootstrap', () => {
  let server: Http2Server;
  let relay: Relay;
  let envoy: Envoy | undefined;
  const seen: Seen[] = [];

  beforeEach(async () => {
    seen.length = 0;
    server = createServer();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      const entry: Seen = { path: String(headers[':path']), bytes: Buffer.alloc(0) };
      seen.push(entry);
      stream.on('error', () => {});
      stream.respond({ 'content-type': 'application/grpc' });
      stream.on('data', (chunk: Buffer) => {
        entry.bytes = Buffer.concat([entry.bytes, chunk]);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    relay = await startRelay({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  });
  afterEach(async () => {
    await envoy?.stop();
    await relay.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  const start = async (xds: Partial<XdsOptions> = {}): Promise<void> => {
    const identity = { pod: 'cart-1', namespace: 'shop', ips: ['10.0.0.7'] };
    envoy = await startEnvoy({ bootstrap: buildBootstrap({ identity, xds: { address: relay.address, ...xds } }) });
  };

  it.each([
    ['delta', 'DeltaAggregatedResources'],
    ['sotw', 'StreamAggregatedResources'],
  ] as const)('%s opens one %s stream that says who it is', async (mode, method) => {
    await start({ mode });
    const bytes = await eventually(
      'the first request',
      () => seen[0]?.bytes.includes('type.googleapis.com/envoy') && seen[0].bytes,
    );
    expect(seen.map(({ path }) => path)).toEqual([`${service}/${method}`]);
    expect(bytes.toString('latin1')).toContain('sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local');
    expect(envoy!.log()).not.toContain('deprecated');
    expect(relay.connections()).toBe(1);
  });

  it('reaches it at a port of loopback too', async () => {
    await start({ address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } });
    await eventually('a stream', () => seen.length === 1);
    expect(relay.connections()).toBe(0);
  });

  it('opens a new stream soon after one was cut', async () => {
    await start({ reconnectMaxMs: 200 });
    for (let streams = 1; streams <= 4; streams++) {
      await eventually(`stream ${streams}`, () => (seen[streams - 1]?.bytes.length ?? 0) > 0);
      relay.cut();
    }
  });
});
