import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually } from '../../env/eventually.ts';
import { appPod, appService, MeshNamespace } from '../mesh-pods.ts';
import { run } from '../run.ts';

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
  const probe = (handler: object) => ({ ...handler, periodSeconds: 1, failureThreshold: 2 });
  const container = {
    startupProbe: probe({ grpc: { port: 9100 } }),
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

it('weft inject gives what the webhook gives', async () => {
  const pod = appPod('offline');
  await pods.apply(pod);
  const online = JSON.parse(await pods.kubectl('get', 'pod', 'offline', '-o', 'json')) as {
    spec: { initContainers: { args?: string[] }[] };
  };
  const configuration = await pods.kubectl(
    'get',
    'configmap',
    'weft',
    '--namespace=weft-system',
    '-o',
    'jsonpath={.data.injection\\.yaml}',
  );
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'pods', labels: { 'istio-injection': 'enabled' } } };
  const placed = { ...pod, metadata: { ...pod.metadata, namespace: 'pods' } };
  const stdin = [namespace, placed].map((each) => stringify(each)).join('---\n');
  const script = `"$0" "$1" inject -f - --values <(printf %s "$2")`;
  const weft = new URL('../../../bin/weft', import.meta.url).pathname;
  const { stdout } = await run(['bash', '-c', script, process.execPath, weft, configuration], { stdin });
  for (const { args = [] } of online.spec.initContainers) for (const each of args) expect(stdout).toContain(each.split('\n')[0]);
});
