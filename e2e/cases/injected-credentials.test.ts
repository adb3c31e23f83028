import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../src/runtime/testing/self-signed.ts';
import { defaultInjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { inject, startSidecar } from '../env/injected-sidecar.ts';
import { createKeeper } from '../env/keeper.ts';
import { mountVolume } from '../env/mounted-volume.ts';

const { keep, release } = createKeeper();
afterEach(release);

const annotationPrefix = 'injection.weft.dev/';

/** Whoever it is that streams of the proxy's come from, by their tokens. */
const startStranger = async (certificate: { certificate: string; key: string }) => {
  const tokens: string[] = [];
  const paths = new Set<string>();
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2SecureServer = createSecureServer({
    cert: certificate.certificate,
    key: certificate.key,
    minVersion: 'TLSv1.3',
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    tokens.push(String(headers.authorization));
    paths.add(String(headers[':path']));
    stream.respond({ 'content-type': 'application/grpc' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    tokens,
    paths,
    present: (next: { certificate: string; key: string }) => server.setSecureContext({ cert: next.certificate, key: next.key }),
    cut: () => {
      for (const session of sessions) session.destroy();
      sessions.clear();
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
};

describe.skipIf((await findEnvoy()) === undefined)("an injected sidecar's credentials", () => {
  it('go with each stream, and follow a new token and a new CA', { timeout: 60_000 }, async () => {
    const [first, second, stranger] = [selfSigned(['weft.test']), selfSigned(['weft.test']), selfSigned(['weft.test'])];
    const plane = await keep(startStranger(first));
    const pod = inject(
      {
        metadata: { name: 'web-1', namespace: 'shop', annotations: { 'sidecar.istio.io/interceptionMode': 'NONE' } },
        spec: { containers: [{ name: 'web' }] },
      },
      {
        xds: {
          ...defaultInjectionConfig.xds,
          address: `127.0.0.1:${plane.port}`,
          serverName: 'weft.test',
          initialFetchTimeoutSeconds: 0,
        },
        ports: { admin: await freePort(), status: await freePort(), health: await freePort(), metrics: await freePort() },
      },
    );
    const token = await keep(mountVolume({ 'istio-token': 'first-token' }));
    const ca = await keep(mountVolume({ 'root-cert.pem': first.certificate }));
    const folders: Record<string, string> = { '/var/run/secrets/tokens': token.folder, '/var/run/secrets/istio': ca.folder };
    const files = Object.entries(pod.metadata?.annotations ?? {})
      .filter(([name]) => name.startsWith(`${annotationPrefix}sds-`))
      .map(([name, text]) => [
        name.slice(annotationPrefix.length),
        Object.entries(folders).reduce((content, [from, to]) => content.replaceAll(from, to), text),
      ]);
    const secrets = await keep(mountVolume(Object.fromEntries(files)));
    const sidecar = await keep(
      startSidecar({
        pod,
        facts: { name: 'web-1', namespace: 'shop', ips: ['127.0.0.3'] },
        folders: { ...folders, '/etc/istio/proxy': secrets.folder },
      }),
    );
    const hopeless = () => (sidecar.hasExited() ? sidecar.log() : undefined);
    const newest = (wanted: string) =>
      eventually(`a stream with ${wanted}`, async () => plane.tokens.at(-1) === wanted, { hopeless, deadlineMs: 20_000 });

    await newest('Bearer first-token');
    expect([...plane.paths]).toEqual(['/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources']);

    await token.write({ 'istio-token': 'second-token' });
    plane.cut();
    await eventually(
      'a stream with the second token',
      async () => {
        plane.cut();
        return plane.tokens.at(-1) === 'Bearer second-token';
      },
      { hopeless, deadlineMs: 20_000, intervalMs: 1_000 },
    );

    // Somebody whom no CA vouches for is told nothing.
    plane.present(stranger);
    plane.cut();
    const before = plane.tokens.length;
    await eventually('the stranger to be refused', async () => /CERTIFICATE_VERIFY_FAILED/.test(sidecar.log()), {
      hopeless,
      deadlineMs: 20_000,
    });
    expect(plane.tokens).toHaveLength(before);

    plane.present(second);
    await ca.write({ 'root-cert.pem': second.certificate });
    await token.write({ 'istio-token': 'third-token' });
    await newest('Bearer third-token');
  });
});
