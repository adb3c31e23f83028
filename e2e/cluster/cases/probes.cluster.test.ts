import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../../env/eventually.ts';
import { appPod, MeshNamespace } from '../mesh-pods.ts';

/** Probes that turn red, and hooks that are really called: by the kubelet, through a sidecar of either kind. */
const probes = new MeshNamespace(inject('kubeConfigFile'), 'probes');

/** A busy machine may be slow to answer; a refusal comes at once. */
const often = { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 2 };
/** A classic sidecar is there for a hook at an application's start only if it holds the application. */
const kinds = {
  native: {},
  classic: { 'sidecar.istio.io/nativeSidecar': 'false', 'proxy.istio.io/config': 'holdApplicationUntilProxyStarts: true' },
} as const;
const shell = (script: string) => ({ exec: { command: ['bash', '-c', script] } });

/** Starts late, is asked over HTTPS whether it is ready, and by TCP whether it lives. */
const turning = (kind: keyof typeof kinds) =>
  appPod(`turning-${kind}`, {
    ...{ args: ['serve', '::', 'https'], annotations: kinds[kind] },
    container: {
      startupProbe: { httpGet: { path: '/late', port: 8080 }, ...often, failureThreshold: 60 },
      readinessProbe: { httpGet: { path: '/', port: 8443, scheme: 'HTTPS' }, ...often },
      livenessProbe: { tcpSocket: { port: 9000 }, ...often },
    },
  });

/** Asked by gRPC whether it is ready; a second container's hooks ask the first one, which is there before it and after it. */
const hooked = (kind: keyof typeof kinds) => {
  const app = {
    ...{ name: 'app', image: 'weft/app:dev', args: ['serve'] },
    readinessProbe: { grpc: { port: 9100 }, ...often },
    lifecycle: { postStart: shell('until curl -sf http://127.0.0.1:8080/; do sleep 0.1; done'), preStop: shell('sleep 3') },
  };
  const second = {
    ...{ name: 'second', image: 'weft/app:dev', command: ['bash', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'] },
    lifecycle: {
      postStart: { httpGet: { path: '/hook/started', port: 8080 } },
      preStop: { httpGet: { path: '/hook/ending', port: 8080 } },
    },
  };
  const spec = { terminationGracePeriodSeconds: 30, containers: [app, second] };
  return appPod(`hooked-${kind}`, { annotations: kinds[kind], spec });
};

beforeAll(async () => {
  await probes.create();
  await probes.apply(turning('native'), turning('classic'), hooked('native'), hooked('classic'));
  await probes.ready('turning-native', 'turning-classic', 'hooked-native', 'hooked-classic');
});
afterAll(() => probes.delete());

describe.each(['native', 'classic'] as const)('with a %s sidecar', (kind) => {
  const app = '{.status.containerStatuses[?(@.name=="app")]';

  it('an application that starts late and answers over HTTPS is ready, and is started again when TCP fails', async () => {
    const pod = `turning-${kind}`;
    expect(await probes.field(`pod/${pod}`, `${app}.restartCount}`)).toBe('0');
    await probes.exec(pod, 'curl', '-sS', 'http://127.0.0.1:8080/turn-off/tcp');
    await probes.kubectl('wait', `--for=jsonpath=${app}.restartCount}=1`, `pod/${pod}`, '--timeout=60s');
    await probes.ready(pod);
  });

  it('hooks are called, and an application whose gRPC says so is not ready', async () => {
    const pod = `hooked-${kind}`;
    const { lines, process: logs } = await probes.follow(pod);
    await eventually('the hook at the start', () => lines.includes('/hook/started'));
    await probes.exec(pod, 'curl', '-sS', 'http://127.0.0.1:8080/turn-off/grpc');
    await probes.kubectl('wait', '--for=condition=Ready=false', `pod/${pod}`, '--timeout=60s');
    expect(await probes.field(`pod/${pod}`, `${app}.restartCount}`)).toBe('0');
    await probes.kubectl('delete', 'pod', pod, '--timeout=60s');
    await logs.exited;
    expect(lines).toEqual(['/hook/started', '/hook/ending']);
  });
});
