import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { envoyComponents } from '../../src/webhooks/injector/annotations/envoy-components.ts';
import { defaultInjectionConfig, type InjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import type { Container } from '../../src/webhooks/injector/pod.ts';
import { formatAddress } from '../env/address.ts';
import { type CallAnswer, makeCall } from '../env/client.ts';
import { startControlPlane } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { containerOf, inject, startSidecar } from '../env/injected-sidecar.ts';
import { createKeeper } from '../env/keeper.ts';
import { startProcess } from '../env/process.ts';

const { keep, release } = createKeeper();
afterEach(release);

/** Of the block 127.0.0.0/8, so that the sidecar's listeners on it and on 127.0.0.1 do not meet. */
const podIp = '127.0.0.3';

const ports = async (): Promise<InjectionConfig['ports']> => ({
  admin: await freePort(),
  status: await freePort(),
  health: await freePort(),
  metrics: await freePort(),
});

const configOf = async (xdsAddress: string): Promise<InjectionConfig> => ({
  ...defaultInjectionConfig,
  ports: await ports(),
  xds: { ...defaultInjectionConfig.xds, tls: false, address: xdsAddress, initialFetchTimeoutSeconds: 1 },
});

const podOf = (containers: Container[], annotations: Record<string, string> = {}) => ({
  metadata: {
    name: 'web-1',
    namespace: 'shop',
    labels: { app: 'web' },
    annotations: { 'sidecar.istio.io/interceptionMode': 'NONE', ...annotations },
  },
  spec: { containers },
});

/** A gRPC server of grpc.health.v1 that says what it is told to. */
const startGrpcHealth = async (): Promise<{ port: number; serving: Set<string>; close(): Promise<void> }> => {
  const serving = new Set<string>(['']);
  const server: Http2Server = createHttp2Server();
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const service = Buffer.concat(chunks).subarray(5).subarray(2).toString();
      const isCall = headers[':path'] === '/grpc.health.v1.Health/Check' && headers['content-type'] === 'application/grpc';
      if (!isCall || service === 'unknown') {
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': isCall ? '5' : '12' },
          { endStream: true },
        );
        return;
      }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving.has(service) ? 1 : 2]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, podIp, resolve));
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  return {
    port: (server.address() as { port: number }).port,
    serving,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
};

describe.skipIf((await findEnvoy()) === undefined)('an injected sidecar', () => {
  it('is ready when its configuration has come, and carries out probes of every kind', { timeout: 60_000 }, async () => {
    const http = await keep(startEcho({ listen: `${podIp}:0` }));
    const https = await keep(startEcho({ protocol: 'https', listen: `${podIp}:0` }));
    const tcp = await keep(startEcho({ protocol: 'tcp', listen: `${podIp}:0` }));
    const grpc = await keep(startGrpcHealth());
    const closed = await freePort();
    const plane = await keep(startControlPlane());
    const config = await configOf(formatAddress(plane.xds));
    const grpcProbe = (name: string, service?: string): Container => ({
      name,
      readinessProbe: { grpc: { port: grpc.port, ...(service !== undefined && { service }) } },
    });
    const pod = inject(
      podOf(
        [
          {
            name: 'web',
            ports: [{ name: 'http', containerPort: http.port }],
            readinessProbe: {
              httpGet: { path: '/status/203?cost=$(HOME)%20&x=%41', port: 'http', httpHeaders: [{ name: 'X-A', value: 'b' }] },
            },
            livenessProbe: { tcpSocket: { port: tcp.port } },
            startupProbe: { httpGet: { path: '/', port: https.port, scheme: 'HTTPS' } },
            lifecycle: { preStop: { httpGet: { path: '/stop', port: 'http' } } },
          },
          {
            name: 'sick',
            readinessProbe: { httpGet: { path: '/status/503', port: http.port } },
            livenessProbe: { httpGet: { path: '/delay?ms=3000', port: http.port } },
          },
          {
            name: 'gone',
            readinessProbe: { tcpSocket: { port: closed } },
            livenessProbe: { httpGet: { port: closed } },
            startupProbe: { grpc: { port: closed } },
          },
          { name: 'moved', readinessProbe: { httpGet: { path: '/status/302', port: http.port } } },
          grpcProbe('grpc'),
          grpcProbe('grpc-down', 'down'),
          grpcProbe('grpc-unknown', 'unknown'),
          grpcProbe('grpc-named', 'n'.repeat(20)),
        ],
        { 'prometheus.io/port': String(http.port), 'prometheus.io/path': '/app-metrics' },
      ),
      config,
    );
    grpc.serving.add('n'.repeat(20));
    const facts = { name: 'web-1', namespace: 'shop', ips: [podIp] };
    const sidecar = await keep(startSidecar({ pod, facts }));
    const hopeless = () => (sidecar.hasExited() ? sidecar.log() : undefined);
    const ask = (port: number, path: string, host = podIp, method = 'GET'): Promise<CallAnswer> =>
      makeCall({ to: `${host}:${port}`, path, method, headers: { connection: 'close' } });
    const probe = async (container: string, field: 'readinessProbe' | 'livenessProbe' | 'startupProbe'): Promise<CallAnswer> => {
      const { httpGet } = containerOf(pod, container)[field]!;
      return ask(Number(httpGet!.port), httpGet!.path!);
    };

    await eventually('the sidecar to be ready', async () => (await ask(config.ports.health, '/healthz/ready')).status === 200, {
      hopeless,
    });
    expect((await plane.proxies()).map(({ proxy }) => proxy)).toEqual(['shop/web-1']);
    expect(await ask(config.ports.health, '/healthz/ready', '127.0.0.1')).toMatchObject({ status: 200, body: 'LIVE\n' });
    expect((await ask(config.ports.status, '/healthz/ready')).status).toBe(200);

    const ready = await probe('web', 'readinessProbe');
    expect(ready).toMatchObject({ status: 203, echo: { path: '/status/203?cost=$(HOME)%20&x=%41' } });
    expect((await probe('web', 'livenessProbe')).status).toBe(200);
    const started = await probe('web', 'startupProbe');
    expect(started.echo).toMatchObject({ name: 'https', path: '/', method: 'GET' });
    const stopped = await ask(config.ports.status, '/app-lifecycle/web/prestopz');
    expect(stopped.echo).toMatchObject({ name: 'http', path: '/stop' });
    expect(stopped.echo!.headers).not.toHaveProperty('x-envoy-original-path');
    expect(stopped.echo!.headers).not.toHaveProperty('x-envoy-expected-rq-timeout-ms');
    expect(stopped.echo!.headers.host).toBe(podIp);
    expect((await probe('sick', 'readinessProbe')).status).toBe(503);
    expect((await probe('sick', 'livenessProbe')).status).toBe(504);
    for (const field of ['readinessProbe', 'livenessProbe', 'startupProbe'] as const)
      expect((await probe('gone', field)).status, field).toBe(503);
    const moved = await probe('moved', 'readinessProbe');
    expect(moved.status).toBe(302);
    expect(moved.headers).not.toHaveProperty('location');

    expect(await probe('grpc', 'readinessProbe')).toMatchObject({ status: 200, body: 'SERVING\n' });
    expect((await probe('grpc-named', 'readinessProbe')).status).toBe(200);
    expect(await probe('grpc-down', 'readinessProbe')).toMatchObject({
      status: 503,
      body: expect.stringContaining('gRPC status 0'),
    });
    expect(await probe('grpc-unknown', 'readinessProbe')).toMatchObject({
      status: 503,
      body: expect.stringContaining('gRPC status 5'),
    });
    grpc.serving.delete('');
    expect((await probe('grpc', 'readinessProbe')).status).toBe(503);
    await tcp.close();
    expect((await probe('web', 'livenessProbe')).status).toBe(503);

    const own = await ask(config.ports.metrics, '/stats/prometheus');
    expect(own.body).toContain('envoy_server_live{} 1');
    expect(own.body).not.toContain('app-metrics');
    const merged = await ask(config.ports.status, '/stats/prometheus');
    expect(merged.status).toBe(200);
    expect(merged.body).toMatch(/^\{"name":"http".*"path":"\/app-metrics"/);
    expect(merged.body).toContain('envoy_server_live{} 1');

    for (const [port, path] of [
      [config.ports.status, '/'],
      [config.ports.status, '/config_dump'],
      [config.ports.status, '/app-health/web/readyz/../../../config_dump'],
      [config.ports.metrics, '/config_dump'],
      [config.ports.health, '/quitquitquit'],
    ] as const)
      expect((await ask(port, path)).status, path).toBe(404);
    expect((await ask(config.ports.status, '/quitquitquit')).status).toBe(404);
    expect((await ask(config.ports.status, '/quitquitquit', '127.0.0.1', 'POST')).status).toBe(200);
    expect(await sidecar.exited).toEqual({ code: 0, signal: null });
  });

  it('carries out probes without a control plane, and is not ready until there is one', { timeout: 60_000 }, async () => {
    const http = await keep(startEcho({ listen: `${podIp}:0` }));
    const config = await configOf(`127.0.0.1:${await freePort()}`);
    const pod = inject(podOf([{ name: 'web', livenessProbe: { httpGet: { path: '/live', port: http.port } } }]), config);
    const sidecar = await keep(startSidecar({ pod, facts: { name: 'web-1', namespace: 'shop', ips: [podIp] } }));
    const alive = await eventually(
      'the probe to be answered',
      async () => {
        const answer = await makeCall({ to: `${podIp}:${config.ports.status}`, path: '/app-health/web/livez' });
        return answer.status === 200 && answer;
      },
      { hopeless: () => (sidecar.hasExited() ? sidecar.log() : undefined) },
    );
    expect(alive.echo).toMatchObject({ path: '/live' });
    expect(await makeCall({ to: `${podIp}:${config.ports.health}`, path: '/healthz/ready' })).toMatchObject({
      status: 503,
      body: 'not ready: clusters pending, listeners pending\n',
    });
    const { body: levels } = await makeCall({ to: `127.0.0.1:${config.ports.admin}`, path: '/logging', method: 'POST' });
    const components = [...levels.matchAll(/^ +(\S+): /gm)].map(([, name]) => name!);
    expect(components.sort(), levels).toEqual([...envoyComponents].sort());
  });

  it('holds its application until it is ready, and asks its clients to leave when its pod ends', {
    timeout: 60_000,
  }, async () => {
    const plane = await keep(startControlPlane());
    const config = await configOf(formatAddress(plane.xds));
    const pod = inject(
      podOf([{ name: 'web' }], {
        'sidecar.istio.io/nativeSidecar': 'false',
        'proxy.istio.io/config': '{holdApplicationUntilProxyStarts: true, terminationDrainDuration: 1s}',
      }),
      config,
    );
    const { postStart, preStop } = containerOf(pod, 'istio-proxy').lifecycle as Record<
      'postStart' | 'preStop',
      { exec: { command: string[] } }
    >;
    const run = async ({ exec: { command } }: { exec: { command: string[] } }) => {
      const [shell, ...args] = command;
      const hook = await keep(startProcess({ command: shell!, args }));
      return { ...(await hook.exited), log: hook.log() };
    };
    // The hook runs beside the start, as the kubelet has it.
    const held = run(postStart);
    const sidecar = await keep(startSidecar({ pod, facts: { name: 'web-1', namespace: 'shop', ips: [podIp] } }));
    expect(await held, sidecar.log()).toMatchObject({ code: 0 });
    expect((await makeCall({ to: `${podIp}:${config.ports.health}`, path: '/healthz/ready' })).status).toBe(200);

    const drained = await run(preStop);
    expect(drained).toMatchObject({ code: 0, log: expect.stringMatching(/^HTTP\/1\.1 200 OK[\s\S]*\nOK/) });
    expect(sidecar.hasExited()).toBe(false);
    expect((await makeCall({ to: `${podIp}:${config.ports.health}`, path: '/healthz/ready' })).status).toBe(200);
  });
});
