import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import { makePod, makeWebhookConfiguration, requestToken } from '../../src/testing/secure-operator.ts';
import type { Pod } from '../../src/webhooks/injector/pod.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { startSidecar } from '../env/injected-sidecar.ts';
import { createKeeper } from '../env/keeper.ts';
import { mountVolume } from '../env/mounted-volume.ts';
import { applyYaml, makeNamespace, type OperatorProcess, startOperatorProcess } from '../env/operator.ts';

const envoyBinary = await findEnvoy();
const { keep, defer, release } = createKeeper();
afterEach(release);

const secretPath = '/api/v1/namespaces/weft-system/secrets/weft-authority';
const annotationPrefix = 'injection.weft.dev/';
const ip = '127.0.0.3';

const entry = (name: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec: {hosts: [${name}.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 192.0.2.1}]}
`;

describeApi(
  'secure xDS',
  (env) => {
    it.skipIf(envoyBinary === undefined)(
      'leads the sidecar of a pod that the webhook injected through rotations of certificate, CA and token, and refuses tokens that are not its own',
      { timeout: 180_000 },
      async () => {
        const { rest } = env();
        await makeNamespace(rest, 'weft-system');
        for (const name of ['shop', 'bank']) await makeNamespace(rest, name, { 'istio-injection': 'enabled' });
        const [xdsPort, webhookPort, admin] = [await freePort(), await freePort(), await freePort()];
        const folder = await mkdtemp(join(tmpdir(), 'weft-injection-'));
        defer(() => rm(folder, { recursive: true }));
        const injectionFile = join(folder, 'injection.json');
        const ports = { admin, status: await freePort(), health: await freePort(), metrics: await freePort() };
        const xds = { address: `127.0.0.1:${xdsPort}`, serverName: 'weft.weft-system.svc' };
        await writeFile(injectionFile, JSON.stringify({ xds, ports }));

        const start = async (): Promise<OperatorProcess> => {
          const operator = await startOperatorProcess({
            ...{ env: env(), kubeConfig: env().kubeConfig },
            args: [
              ...['--secure=true', '--xds-tls-bind', `127.0.0.1:${xdsPort}`, '--webhook-bind', `127.0.0.1:${webhookPort}`],
              ...['--certificate-name', '127.0.0.1', '--injection-config', injectionFile, '--ca-overlap', '8s'],
            ],
          });
          await operator.served(40_000);
          return operator;
        };
        let operator = await start();
        defer(() => operator.stop());
        const restart = async (): Promise<void> => {
          await operator.stop();
          operator = await start();
        };

        // The pod comes as the API server stores it, through the operator's webhook.
        await makeWebhookConfiguration(rest, 'Mutating', [
          {
            name: 'inject.weft.dev',
            url: `https://127.0.0.1:${webhookPort}/inject`,
            rule: { resources: ['pods'], operations: ['CREATE'] },
            namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } },
          },
        ]);
        const annotations = { 'sidecar.istio.io/interceptionMode': 'NONE' };
        const own = { namespace: 'shop', serviceAccount: 'web', ip, annotations };
        let tries = 0;
        const podName = await eventually('a pod to be injected', async () => {
          const name = `web-${++tries}`;
          await makePod(rest, { ...own, name }).catch(() => {});
          const pod = await rest.request<Pod>({ path: `/api/v1/namespaces/shop/pods/${name}` }).catch(() => undefined);
          return pod?.spec.initContainers?.some((container) => container.name === 'istio-proxy') && name;
        });
        const pod = await rest.request<Pod>({ path: `/api/v1/namespaces/shop/pods/${podName}` });
        const uid = pod.metadata!.uid as string;
        const ownToken = () =>
          requestToken(rest, 'shop/web', {
            audiences: ['istio-ca'],
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: podName, uid },
          });

        const rootOf = async (): Promise<string> => {
          const path = '/api/v1/namespaces/shop/configmaps/istio-ca-root-cert';
          return (await rest.request<{ data: Record<string, string> }>({ path })).data['root-cert.pem']!;
        };
        const token = await keep(mountVolume({ 'istio-token': await ownToken() }));
        const ca = await keep(mountVolume({ 'root-cert.pem': await rootOf() }));
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
            ...{ pod, facts: { name: podName, namespace: 'shop', ips: [ip] } },
            folders: { ...folders, '/etc/istio/proxy': secrets.folder },
          }),
        );
        const hopeless = () => (sidecar.hasExited() ? sidecar.log() : undefined);
        const statOf = async (name: string): Promise<number> => {
          const text = await (await fetch(`http://127.0.0.1:${admin}/stats?filter=^${name}$`)).text();
          return Number(text.split(': ')[1]);
        };
        let entries = 0;
        /** Whether what is applied now reaches the sidecar. */
        const isServed = async (): Promise<void> => {
          const name = `entry-${++entries}`;
          await applyYaml(rest, entry(name));
          await eventually(
            `${name} to reach the sidecar`,
            async () => (await (await fetch(`http://127.0.0.1:${admin}/clusters`)).text()).includes(`${name}.example.com`),
            { hopeless, deadlineMs: 30_000 },
          );
        };
        await isServed();

        // Certificate and CA: the stream stays, on the connection that it was opened on.
        const connections = await statOf('cluster.xds-grpc.upstream_cx_total');
        const annotate = (what: string) =>
          rest.request({
            ...{ method: 'PATCH', path: secretPath, contentType: 'application/merge-patch+json' },
            body: { metadata: { annotations: { 'weft.dev/rotate': what } } },
          });
        const rotated = (count: number, before: string) =>
          eventually(
            `a bundle of ${count}`,
            async () => {
              const bundle = await rootOf();
              return bundle.match(/BEGIN/g)!.length === count && bundle !== before && bundle;
            },
            { deadlineMs: 40_000 },
          );
        const first = await rootOf();
        await annotate('certificate');
        await eventually(
          'another certificate',
          () => operator.logLines().filter(({ message }) => message === 'Serving a new certificate').length >= 2,
        );
        await annotate('ca');
        const both = await rotated(2, first);
        await ca.write({ 'root-cert.pem': both });
        const last = await rotated(1, first);
        await ca.write({ 'root-cert.pem': last });
        await isServed();
        expect(await statOf('cluster.xds-grpc.upstream_cx_total')).toBe(connections);
        expect(await statOf('control_plane.connected_state')).toBe(1);
        const countOf = async (reason: string): Promise<number> => {
          const { metrics } = operator.logLines().find(({ message, xds }) => message === 'Serving' && xds !== undefined) as never;
          const text = await (await fetch(`http://${metrics}/metrics`)).text();
          return Number(new RegExp(`^weft_xds_refused_proxies_total{reason="${reason}"} (\\d+)`, 'm').exec(text)![1]);
        };
        // An Envoy opens one stream, which is why a pod may have one.
        expect(await countOf('superseded')).toBe(0);

        // A new stream, by the new CA and a new token.
        await token.write({ 'istio-token': await ownToken() });
        await restart();
        await isServed();

        const refused = async (reason: string, content: string): Promise<void> => {
          await token.write({ 'istio-token': content });
          await restart();
          await eventually(`a refusal: ${reason}`, async () => (await countOf(reason)) > 0, { hopeless, deadlineMs: 30_000 });
          expect(JSON.stringify(operator.logLines())).not.toContain(content.slice(-40));
        };
        const [header, claims, signature] = (await ownToken()).split('.') as [string, string, string];
        const past = { ...JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')), exp: 1_700_000_000 };
        await refused('expired', `${header}.${Buffer.from(JSON.stringify(past)).toString('base64url')}.${signature}`);
        const stranger = await makePod(rest, { namespace: 'bank', name: 'vault-1', serviceAccount: 'vault', ip: '127.0.0.4' });
        await refused('foreign_node', await stranger.token());

        await token.write({ 'istio-token': await ownToken() });
        await isServed();
      },
    );
  },
  { crdPaths: [join(import.meta.dirname, '../../crds')] },
);
