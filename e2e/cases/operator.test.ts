import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { typeUrls } from '../../src/envoy/resource.ts';
import { describeApi } from '../../src/runtime/testing/describe-api.ts';
import type { ObjectStatus } from '../../src/status/render-status.ts';
import { AdsClient } from '../../src/xds/testing/ads-client.ts';
import { formatAddress } from '../env/address.ts';
import { buildBootstrap } from '../env/bootstrap.ts';
import { makeCall } from '../env/client.ts';
import { conditionOf, runWeft } from '../env/control-plane.ts';
import { startEcho } from '../env/echo-server.ts';
import { startEnvoy } from '../env/envoy.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { freePort } from '../env/free-port.ts';
import { createKeeper } from '../env/keeper.ts';
import { applyYaml, makeNamespace, type OperatorProcess, startOperatorProcess } from '../env/operator.ts';

const envoyBinary = await findEnvoy();
const { keep, defer, release } = createKeeper();
afterEach(release);

const withCrds = { crdPaths: [join(import.meta.dirname, '../../crds')] };

/** A proxy of namespace `shop` that acknowledges what it is given. */
const connect = (operator: OperatorProcess): AdsClient => {
  const client = new AdsClient({
    address: formatAddress(operator.xds),
    variant: 'delta',
    follow: true,
    node: {
      id: 'sidecar~10.0.0.1~client.shop~shop.svc.cluster.local',
      metadata: { NAMESPACE: 'shop', LABELS: { app: 'client' }, INSTANCE_IPS: '10.0.0.1', CLUSTER_ID: 'Kubernetes' },
    },
  });
  defer(() => client.close());
  client.subscribeAll(typeUrls.cluster);
  client.subscribeAll(typeUrls.listener);
  return client;
};

/** The proxy's clusters that come from objects of the mesh. */
const clustersOf = (client: AdsClient): string[] =>
  [...client.of(typeUrls.cluster).resources.keys()].filter((name) => name.includes('.example.com')).toSorted();

const waitForClusters = (client: AdsClient, ...hosts: string[]) =>
  eventually(
    `the clusters of ${hosts.join(', ') || 'no host'}`,
    () => {
      expect(clustersOf(client)).toEqual(hosts.map((host) => `outbound|80||${host}`).toSorted());
      return true;
    },
    { deadlineMs: 20_000 },
  );

const entry = (name: string, { version = 'v1', host = `${name}.example.com`, port = 80 } = {}) => `
apiVersion: networking.istio.io/${version}
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [${host}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: ${port}, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.1}]
---`;

describeApi(
  'weft operator on a real API server',
  (env) => {
    const start = async (options: Partial<Parameters<typeof startOperatorProcess>[0]> = {}): Promise<OperatorProcess> => {
      await makeNamespace(env().rest, 'weft-system');
      return keep(startOperatorProcess({ env: env(), kubeConfig: env().kubeConfig, ...options }));
    };
    const remove = (path: string) =>
      env().rest.request({ method: 'DELETE', path: `/apis/networking.istio.io/v1/namespaces/shop/${path}` });
    afterEach(async () => {
      for (const plural of ['serviceentries', 'sidecars', 'envoyfilters', 'workloadentries'])
        await remove(plural).catch(() => {});
    });

    it('serves all four kinds in all three versions, follows their changes, and tells their status', async () => {
      await applyYaml(env().rest, entry('before', { version: 'v1alpha3' }));
      const operator = await start();
      await operator.served();
      const client = connect(operator);
      await waitForClusters(client, 'before.example.com');

      await applyYaml(
        env().rest,
        `${entry('beta', { version: 'v1beta1' })}
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm-1, namespace: shop, labels: {app: vm}}
spec: {address: 192.0.2.9, labels: {app: vm}}
---
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: vms, namespace: shop}
spec:
  hosts: [vms.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: vm}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: header, namespace: shop}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_OUTBOUND}
    patch: {operation: MERGE, value: {connect_timeout: 3s}}
`,
      );
      await waitForClusters(client, 'before.example.com', 'beta.example.com', 'vms.example.com');
      await eventually('the endpoint of the WorkloadEntry', () => {
        const endpoints = client.of(typeUrls.endpoint).resources.get('outbound|80||vms.example.com');
        return endpoints && Buffer.from(endpoints.value).includes('192.0.2.9');
      });
      await eventually('the EnvoyFilter to be known', async () =>
        conditionOf(await operator.status('EnvoyFilter', 'shop', 'header'), 'Accepted'),
      );

      await applyYaml(
        env().rest,
        `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {egress: [{hosts: [./beta.example.com]}]}
`,
      );
      await waitForClusters(client, 'beta.example.com');
      await eventually(
        'the Sidecar to be ready',
        async () => conditionOf(await operator.status('Sidecar', 'shop', 'default'), 'Ready') === 'True Propagated',
      );

      await remove('sidecars/default');
      await remove('serviceentries/before');
      await waitForClusters(client, 'beta.example.com', 'vms.example.com');

      await eventually('the status subresource to say so', async () => {
        const path = '/apis/networking.istio.io/v1/namespaces/shop/serviceentries/vms';
        const { status } = await env().rest.request<{ status?: ObjectStatus }>({ path });
        return conditionOf(status, 'Ready') === 'True Propagated' && status?.propagation?.summary === '1/1 acked';
      });
      const table = await runWeft(['status', '-n', 'shop', '--address', operator.http]);
      expect(table.stdout).toMatch(/shop +serviceentry\/beta +True +Propagated +1\/1 acked +1 /);
      const waited = await runWeft(['wait', '--for=ready', 'serviceentry/vms', '-n', 'shop', '--address', operator.http]);
      expect(waited).toMatchObject({ code: 0, stdout: 'serviceentry/vms condition met' });
      const proxies = await runWeft(['proxy-status', '--address', operator.http]);
      expect(proxies.stdout).toMatch(/client\.shop +SYNCED +SYNCED +SYNCED/);
    });

    it('keeps the last good generation in force when an invalid one got past the schema', async () => {
      await applyYaml(env().rest, entry('api'));
      const operator = await start();
      await operator.served();
      const client = connect(operator);
      await waitForClusters(client, 'api.example.com');
      // The schema cannot say that a STATIC entry's endpoints must be IP addresses.
      await applyYaml(
        env().rest,
        entry('api').replace('192.0.2.1', 'not-an-address.example.com').replace('api.example.com', 'other.example.com'),
      );
      const status = await eventually('the generation to be judged', async () => {
        const found = await operator.status('ServiceEntry', 'shop', 'api');
        return found?.observedGeneration === 2 && found;
      });
      expect(conditionOf(status, 'Accepted')).toBe('False Invalid');
      expect(clustersOf(client)).toEqual(['outbound|80||api.example.com']);
      await applyYaml(env().rest, entry('api'));
      await eventually(
        'it to be accepted again',
        async () => conditionOf(await operator.status('ServiceEntry', 'shop', 'api'), 'Accepted') === 'True Accepted',
      );
    });

    it('goes on serving while the API server restarts, and catches up with what it missed', async () => {
      await applyYaml(env().rest, entry('stays') + entry('goes'));
      const operator = await start();
      await operator.served();
      const client = connect(operator);
      await waitForClusters(client, 'stays.example.com', 'goes.example.com');
      await env().killApiServer();
      await eventually('the operator to notice', () =>
        operator.logLines().find(({ message }) => /API server failed/.test(message)),
      );
      expect(clustersOf(client)).toEqual(['outbound|80||goes.example.com', 'outbound|80||stays.example.com']);
      await env().restartApiServer();
      await remove('serviceentries/goes');
      await applyYaml(env().rest, entry('comes'));
      await waitForClusters(client, 'stays.example.com', 'comes.example.com');
      expect(client.responses.every(({ removed }) => !removed.includes('outbound|80||stays.example.com'))).toBe(true);
    });

    it('takes a changed mesh config file, and keeps the last one when the file is broken', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'weft-mesh-config-'));
      defer(() => rm(folder, { recursive: true }));
      let version = 0;
      // As the kubelet mounts a ConfigMap: the file is a link into a directory that another link chooses.
      const mount = async (text: string): Promise<void> => {
        const data = `data-${++version}`;
        await mkdir(join(folder, data));
        await writeFile(join(folder, data, 'mesh.yaml'), text);
        await symlink(data, join(folder, '..data.next'));
        await rename(join(folder, '..data.next'), join(folder, '..data'));
      };
      await mount('rootNamespace: istio-system\n');
      await symlink('..data/mesh.yaml', join(folder, 'mesh.yaml'));
      await makeNamespace(env().rest, 'shop', { mesh: 'no' });
      await applyYaml(env().rest, entry('api').replaceAll('namespace: shop', 'namespace: outside'));
      const operator = await start({ meshConfigFile: join(folder, 'mesh.yaml') });
      await operator.served();
      const client = connect(operator);
      await waitForClusters(client, 'api.example.com');

      await mount('discoverySelectors:\n- matchLabels: {mesh: "yes"}\n');
      await waitForClusters(client);
      await mount('discoverySelectors: nonsense\n');
      await eventually('the problem to be said', () =>
        operator.logLines().find(({ message, problem }) => /last good one/.test(message) && /mesh.yaml:1:/.test(String(problem))),
      );
      await makeNamespace(env().rest, 'outside', { mesh: 'yes' });
      await waitForClusters(client, 'api.example.com');
      await makeNamespace(env().rest, 'outside', { mesh: 'no' });
      await waitForClusters(client);
      await env().rest.request({
        method: 'DELETE',
        path: '/apis/networking.istio.io/v1/namespaces/outside/serviceentries/api',
      });
    });

    it('says which permission is missing, and goes on by itself when it is granted', async () => {
      const user = await env().createUser('nobody');
      const operator = await start({ kubeConfig: user, args: ['--leader-elect=false'] });
      const said = await eventually('the operator to say so', () =>
        operator.logLines().find(({ problem }) => String(problem).includes('serviceentries')),
      );
      expect(said.problem).toContain('grant this user the verb "list" on serviceentries.networking.istio.io');
      expect((await operator.probe('readyz')).code).toBe(500);
      expect((await operator.probe('healthz')).code).toBe(200);
      await env().rest.request({
        method: 'POST',
        path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
        body: {
          metadata: { name: 'nobody' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
          subjects: [{ kind: 'User', name: 'nobody' }],
        },
      });
      await operator.served(40_000);
      expect((await operator.probe('readyz')).code).toBe(200);
    });

    it.skipIf(envoyBinary === undefined)('leads a real Envoy to a ServiceEntry', async () => {
      const echo = await keep(startEcho({ name: 'api', listen: '127.0.0.1:0' }));
      const port = await freePort();
      await applyYaml(
        env().rest,
        `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: real, namespace: shop}
spec:
  hosts: [real.example.com]
  resolution: STATIC
  ports: [{number: ${port}, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${echo.port}}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {egress: [{port: {number: ${port}, protocol: HTTP, name: out}, captureMode: NONE, hosts: ["*/*"]}]}
`,
      );
      const operator = await start();
      await operator.served();
      const bootstrap = buildBootstrap({ identity: { namespace: 'shop' }, xds: { address: operator.xds } });
      const envoy = await keep(startEnvoy({ bootstrap }));
      await envoy.waitForReady();
      const { echo: answer } = await makeCall({ to: `127.0.0.1:${port}`, host: 'real.example.com' });
      expect(answer?.name).toBe('api');
      await eventually(
        'status of the entry',
        async () => conditionOf(await operator.status('ServiceEntry', 'shop', 'real'), 'Ready') === 'True Propagated',
      );
    });
  },
  withCrds,
);

describeApi('weft operator before its CRDs', (env) => {
  it('says which are missing, waits, and goes on by itself when they come', async () => {
    await makeNamespace(env().rest, 'weft-system');
    const operator = await keep(startOperatorProcess({ env: env(), kubeConfig: env().kubeConfig }));
    const missing = await eventually('the readiness probe to name them', async () => {
      const { body } = await operator.probe('readyz/caches');
      return body.includes('does not serve') || body.includes('404') ? body : undefined;
    });
    for (const plural of ['serviceentries', 'sidecars', 'envoyfilters', 'workloadentries'])
      expect(missing).toContain(`${plural}.networking.istio.io`);
    await env().installCrdFiles(withCrds.crdPaths);
    await applyYaml(env().rest, entry('api'));
    await operator.served(40_000);
    const client = connect(operator);
    await waitForClusters(client, 'api.example.com');
    expect(operator.isRunning()).toBe(true);
  });
});
