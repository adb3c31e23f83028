import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { eventually } from '../../env/eventually.ts';
import { appPod, appService, MeshNamespace } from '../mesh-pods.ts';
import { binFolder, run } from '../run.ts';

const kubeConfigFile = inject('kubeConfigFile');
const pods = new MeshNamespace(kubeConfigFile, 'pods');
beforeAll(async () => {
  await pods.create();
  await pods.apply(appPod('web'), appService('web'));
  await pods.ready('web');
});
afterAll(() => pods.delete());

interface Pod {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly initContainers: readonly { readonly name: string }[];
    readonly containers: readonly { readonly name: string }[];
  };
  readonly status: {
    readonly containerStatuses: readonly { readonly name: string; readonly restartCount: number; readonly ready: boolean }[];
  };
}
const read = async (pod: string) => JSON.parse(await pods.kubectl('get', 'pod', pod, '-o', 'json')) as Pod;
/** A command of shell in the image of the application. */
const shell = (script: string) => ({ command: ['bash', '-c', script], args: null });
const askWeb = 'curl -sSf --max-time 5 http://web.pods/';

it('a pod has its sidecar as an init container that goes on running, between istio-init and those of its own', async () => {
  const own = { name: 'own', image: 'weft/app:dev', ...shell(askWeb) };
  await pods.apply(appPod('ordered', { spec: { initContainers: [own] } }));
  await pods.ready('ordered');
  const { spec, metadata } = await read('ordered');
  expect(spec.initContainers.map(({ name }) => name)).toEqual(['istio-init', 'istio-proxy', 'own']);
  expect(spec.containers.map(({ name }) => name)).toEqual(['app']);
  expect(JSON.parse(metadata.annotations['sidecar.istio.io/status']!)).toMatchObject({ revision: 'default' });
  // An init container of the pod's own is in the mesh already.
  expect(await pods.kubectl('logs', 'ordered', '-c', 'own')).toContain('"pod":"web"');
});

it('probes of every kind stay green, and a bad one turns red', async () => {
  // A busy machine may be slow to answer; a refusal comes at once.
  const probe = (handler: object) => ({ ...handler, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 2 });
  const container = {
    startupProbe: { ...probe({ grpc: { port: 9100 } }), failureThreshold: 60 },
    readinessProbe: probe({ tcpSocket: { port: 9000 } }),
    livenessProbe: probe({ httpGet: { path: '/live', port: 8080, httpHeaders: [{ name: 'x-probe', value: 'live' }] } }),
    lifecycle: { postStart: { httpGet: { path: '/started', port: 8080 } } },
  };
  const lame = { readinessProbe: probe({ httpGet: { path: '/', port: 8079 } }) };
  await pods.apply(appPod('probed', { container }), appPod('lame', { container: lame }));
  await pods.ready('probed');
  // As long as several of each probe's failures would take.
  await new Promise((resolve) => setTimeout(resolve, 8000));
  const statusOf = async (pod: string) => (await read(pod)).status.containerStatuses.find(({ name }) => name === 'app')!;
  expect(await statusOf('probed')).toMatchObject({ ready: true, restartCount: 0 });
  expect(await statusOf('lame')).toMatchObject({ ready: false });
});

it('a Job ends', async () => {
  const job = {
    ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'once' } },
    spec: {
      backoffLimit: 0,
      template: {
        spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'weft/app:dev', ...shell(askWeb) }] },
      },
    },
  };
  await pods.apply(job);
  await pods.kubectl('wait', '--for=condition=Complete', 'job/once', '--timeout=60s');
  expect(await pods.kubectl('logs', 'job/once', '-c', 'app')).toContain('"pod":"web"');
});

it('the sidecar starts before the application and ends after it', async () => {
  const lived = shell(`trap '${askWeb}; echo; echo last; exit 0' TERM; ${askWeb} && echo first; while :; do sleep 0.1; done`);
  await pods.apply(appPod('lived', { container: lived }));
  await pods.ready('lived');
  const { lines, process: logs } = await pods.follow('lived');
  await eventually('the first request', () => lines.includes('first'));
  await pods.kubectl('delete', 'pod', 'lived');
  await logs.exited;
  expect(lines.at(-1)).toBe('last');
  expect(lines.filter((line) => line.includes('"pod":"web"'))).toHaveLength(2);
});

it('a bad annotation refuses the pod, and is named', async () => {
  const bad = appPod('bad', { annotations: { 'traffic.sidecar.istio.io/includeInboundPorts': '80,none' } });
  await expect(pods.apply(bad)).rejects.toThrow(/denied the request:.*traffic\.sidecar\.istio\.io\/includeInboundPorts.*none/s);
});

describe('weft inject gives what the webhook gives, but for what the API server adds', () => {
  const weft = new URL('../../../bin/weft', import.meta.url).pathname;
  const labels = { 'istio-injection': 'enabled' };
  const rich = appPod('rich', {
    labels: { version: 'v2', 'example.com/team': 'a' },
    annotations: {
      ...{ 'sidecar.istio.io/nativeSidecar': 'false', 'prometheus.io/port': '8080', 'sidecar.istio.io/proxyCPU': '20m' },
      'proxy.istio.io/config': '{holdApplicationUntilProxyStarts: true, proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true"}}',
      'traffic.sidecar.istio.io/excludeInboundPorts': '9100',
    },
    container: {
      readinessProbe: { httpGet: { path: '/', port: 8080, scheme: 'HTTP' } },
      lifecycle: { preStop: { tcpSocket: { port: 9000 } } },
    },
    spec: { initContainers: [{ name: 'own', image: 'weft/app:dev', command: ['true'] }] },
  });
  /** What a pod would be in the cluster. */
  const dryRun = async (pod: object) => {
    const kubectl = [join(binFolder, 'kubectl'), '--kubeconfig', kubeConfigFile];
    const created = await run([...kubectl, 'create', '--dry-run=server', '-o', 'json', '-f', '-'], {
      stdin: JSON.stringify(pod),
    });
    // The API server mounts its token, under a name made up each time, into the containers that it sees: not into those of a webhook.
    const { metadata, spec } = JSON.parse(created.stdout, (key, value: unknown) => {
      if (!Array.isArray(value)) return value;
      const others = value.filter((each) => !(each as Named)?.name?.startsWith?.('kube-api-access-'));
      return key === 'volumeMounts' && others.length === 0 ? undefined : others;
    }) as Submitted;
    const { [injectLabel]: _, ...rest } = metadata.labels;
    return { labels: rest, annotations: metadata.annotations, spec };
  };

  it.each([
    ['a plain pod', appPod('offline')],
    ['one with a classic sidecar and annotations', rich],
  ])('%s', async (_, pod) => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-inject-'));
    try {
      const values = ['injection', 'mesh'].map((name) => join(folder, `${name}.yaml`));
      for (const file of values) {
        const path = `{.data.${basename(file).replace('.', '\\.')}}`;
        await writeFile(
          file,
          await pods.kubectl('get', 'configmap', 'weft', '--namespace=weft-system', '-o', `jsonpath=${path}`),
        );
      }
      const placed = { ...pod, metadata: { ...pod.metadata, namespace: 'pods' } };
      const stdin = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'pods', labels } }, placed]
        .map((each) => stringify(each))
        .join('---\n');
      const flags = ['-f', '-', '--values', values[0]!, '--mesh-config', values[1]!];
      const { stdout } = await run([process.execPath, weft, 'inject', ...flags], { stdin });
      const offline = parseAllDocuments(stdout)[1]!.toJS() as Submitted;
      expect(offline.metadata.annotations).toHaveProperty(['sidecar.istio.io/status']);
      // Past the webhook, to the same API server.
      const submitted = {
        ...offline,
        metadata: { ...offline.metadata, labels: { ...offline.metadata.labels, [injectLabel]: 'false' } },
      };
      expect(await dryRun(submitted)).toEqual(await dryRun(placed));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const injectLabel = 'sidecar.istio.io/inject';
type Named = { readonly name?: string } | null;
interface Submitted {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: unknown;
}
