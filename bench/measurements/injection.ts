import { Agent, request } from 'node:https';
import { nowMs } from '../clock.ts';
import type { BenchContext } from '../control-plane.ts';
import { percentilesOf } from '../percentiles.ts';
import { Child } from '../processes/child.ts';
import type { InjectorOperations } from '../processes/injector.ts';
import type { Section } from '../report.ts';

/** How many reviews are under way at once. */
const concurrency = 8;

/** A pod as an API server sends it for review: of a Deployment, with probes of three kinds, volumes and its defaults filled in. */
function podText(index: number): string {
  const container = (name: string, probes: object) => ({
    name,
    image: `registry.example.com/shop/${name}:1.${index}`,
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    env: Array.from({ length: 12 }, (_, at) => ({ name: `SETTING_${at}`, value: `value ${at} of ${name}` })),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    volumeMounts: [{ name: 'kube-api-access', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    ...probes,
  });
  const often = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
  return JSON.stringify({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      generateName: `web-${index}-5c9d8f7b6d-`,
      labels: { app: `web-${index}`, version: 'v1', 'pod-template-hash': '5c9d8f7b6d' },
      annotations: { 'prometheus.io/port': '9090', 'traffic.sidecar.istio.io/excludeOutboundPorts': '3306,6379' },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `web-${index}-5c9d8f7b6d`,
          uid: 'u',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      volumes: [
        {
          name: 'kube-api-access',
          projected: { sources: [{ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } }], defaultMode: 420 },
        },
      ],
      initContainers: [container('migrate', {})],
      containers: [
        container('web', {
          readinessProbe: { httpGet: { path: '/ready', port: 'http', scheme: 'HTTP' }, ...often },
          livenessProbe: { tcpSocket: { port: 8080 }, ...often },
        }),
        container('api', { readinessProbe: { grpc: { port: 9000, service: '' }, ...often } }),
      ],
      restartPolicy: 'Always',
      serviceAccountName: 'web',
    },
    status: {},
  });
}

const reviewText = (index: number): string =>
  `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"${index}","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","operation":"CREATE","userInfo":{"username":"system:serviceaccount:kube-system:replicaset-controller"},"object":${podText(index)},"dryRun":false}}`;

/** One pod in the process, and reviews over TLS through the webhook server. */
export async function measureInjection({ quick }: BenchContext): Promise<Section> {
  await using injector = new Child<InjectorOperations>(new URL('../processes/injector.ts', import.meta.url));
  const warmUps = quick ? 100 : 1000;
  const count = quick ? 200 : 5000;
  const pods = Array.from({ length: count }, (_, index) => podText(index));
  const first = await injector.call('inject', { pods: pods.slice(0, 1) });
  await injector.call('inject', { pods: pods.slice(0, warmUps) });
  const warm = percentilesOf(await injector.call('inject', { pods }));

  const floor = percentilesOf(await injector.call('count', { times: count, eachMs: warm.p50 }));

  const { port, certificate } = await injector.call('start', undefined);
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency, ca: certificate });
  const review = (index: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const startedAtMs = nowMs();
      const call = request(
        { host: '127.0.0.1', port, path: '/inject', method: 'POST', agent, headers: { 'content-type': 'application/json' } },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            body += chunk;
          });
          response.on('end', () =>
            body.includes('"patch":') ? resolve(nowMs() - startedAtMs) : reject(new Error(body.slice(0, 500))),
          );
        },
      );
      call.on('error', reject);
      call.end(reviewText(index));
    });
  const run = async (reviews: number): Promise<number[]> => {
    const durations: number[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < reviews) durations.push(await review(next++));
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return durations;
  };
  await run(warmUps);
  const cpuBefore = await injector.call('cpuMs', undefined);
  const served = percentilesOf(await run(count));
  const cpuMs = ((await injector.call('cpuMs', undefined)) - cpuBefore) / count;
  agent.destroy();
  return {
    title: 'Injection',
    notes: [
      `A pod of a Deployment of ${podText(0).length.toLocaleString('en')} bytes: two containers, an init container, probes of three kinds. ${count.toLocaleString('en')} of them.`,
      `Reviews: by the real webhook server over TLS with ${concurrency} under way, from the body's bytes to the patch's; a core's worth is a second by the CPU of one.`,
    ],
    rows: [
      { what: 'the first pod of a process', figures: { 'P50 ms': first[0]! } },
      {
        what: 'one pod, in the process',
        figures: { 'P50 ms': warm.p50, 'P99 ms': warm.p99, 'max ms': warm.max },
        targets: [{ figure: 'P99 ms', below: 5 }],
      },
      {
        what: 'counting for as long: what the machine adds by itself',
        figures: { 'P50 ms': floor.p50, 'P99 ms': floor.p99, 'max ms': floor.max },
      },
      {
        what: 'one review, as its client sees it',
        figures: { 'P50 ms': served.p50, 'P99 ms': served.p99, 'max ms': served.max },
      },
      {
        what: 'reviews, by their CPU',
        figures: { 'CPU ms': cpuMs, 'reviews/s a core': 1000 / cpuMs },
        targets: [{ figure: 'CPU ms', below: 2 }],
      },
    ],
  };
}
