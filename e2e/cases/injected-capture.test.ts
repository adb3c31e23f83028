import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { defaultInjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import { injectObject } from '../../src/webhooks/injector/inject-object.ts';
import type { Pod } from '../../src/webhooks/injector/pod.ts';
import { owners } from '../env/captured-pod.ts';
import { makeCall } from '../env/client.ts';
import { startEcho } from '../env/echo-server.ts';
import { findEnvoy } from '../env/envoy-binary.ts';
import { eventually } from '../env/eventually.ts';
import { containerOf, inject, startSidecar } from '../env/injected-sidecar.ts';
import { sidecarUid } from '../env/interception.ts';
import { createKeeper } from '../env/keeper.ts';
import { canIntercept, createNetwork } from '../env/network.ts';
import { startProcess } from '../env/process.ts';

const { keep, release } = createKeeper();
afterEach(release);

const isPossible = (await findEnvoy()) !== undefined && (await canIntercept()).ok;

/** An address as it stands before a port. */
const inUrl = (address: string) => (address.includes(':') ? `[${address}]` : address);

describe.skipIf(!isPossible)('an injected pod under its own rules', () => {
  it.each([
    ['ipv4', 'REDIRECT'],
    ['ipv6', 'REDIRECT'],
    ['ipv4', 'TPROXY'],
    ['ipv6', 'TPROXY'],
  ] as const)('answers the probes of a kubelet, %s first, past its capture by %s', { timeout: 60_000 }, async (first, mode) => {
    const network = await keep(createNetwork());
    const { pod: inside, world } = network;
    const ips = [inside.ipv4, inside.ipv6!];
    if (first === 'ipv6') ips.reverse();
    const pod = inject(
      {
        metadata: { name: 'web-1', namespace: 'shop', annotations: { 'sidecar.istio.io/interceptionMode': mode } },
        spec: {
          containers: [
            {
              name: 'web',
              readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
              livenessProbe: { tcpSocket: { port: 8081 } },
              startupProbe: { tcpSocket: { port: 8082 } },
            },
          ],
        },
      },
      { xds: { ...defaultInjectionConfig.xds, tls: false, address: '127.0.0.1:1', initialFetchTimeoutSeconds: 1 } },
    );
    const [command, ...args] = containerOf(pod, 'istio-init').command as string[];
    await inside.exec(command!, args);
    await keep(startEcho({ listen: `${inUrl(ips[0]!)}:8080`, netns: inside.netns }));
    await keep(startEcho({ protocol: 'tcp', listen: `${inUrl(ips[0]!)}:8081`, netns: inside.netns }));
    const sidecar = await keep(
      startSidecar({
        pod,
        facts: { name: 'web-1', namespace: 'shop', ips },
        netns: inside.netns,
        ...(mode === 'REDIRECT' && { uid: sidecarUid }),
      }),
    );

    const ask = (port: number, path: string, from = world.netns, to = inUrl(ips[0]!)) =>
      makeCall({ to: `${to}:${port}`, path, timeoutMs: 2_000 }, { netns: from });
    const ready = await eventually(
      'the readiness probe to be answered',
      async () => {
        const answer = await ask(15_020, '/app-health/web/readyz');
        return answer.status !== 0 && answer;
      },
      { hopeless: () => (sidecar.hasExited() ? sidecar.log() : undefined), deadlineMs: 20_000 },
    );
    expect(ready.echo, JSON.stringify(ready)).toMatchObject({
      path: '/ready',
      remoteAddress: first === 'ipv4' ? '127.0.0.6' : '::6',
    });
    expect((await ask(15_020, '/app-health/web/livez')).status).toBe(200);
    expect((await ask(15_020, '/app-health/web/startupz')).status).toBe(503);
    expect((await ask(15_021, '/healthz/ready')).status).toBe(503);
    expect((await ask(15_090, '/stats/prometheus')).body).toContain('envoy_server_live');
    // As scripts in a pod ask its sidecar.
    expect((await ask(15_021, '/healthz/ready', inside.netns, '127.0.0.1')).status).toBe(503);
    // Everything else is captured, and there is no listener that takes it yet: refused, or dropped by TPROXY.
    expect((await ask(8_080, '/ready')).status).toBe(0);
    // Envoy's admin page is for the pod alone.
    expect((await ask(15_000, '/ready')).status).toBe(0);
  });

  it('ends when the script of its Job says so, as the guide has it: the classic sidecar too', { timeout: 60_000 }, async () => {
    const guide = await readFile(join(import.meta.dirname, '../../docs/guides/injection.md'), 'utf8');
    const [, farewell] = /`(curl [^`]*quitquitquit)`/.exec(guide)!;
    const network = await keep(createNetwork());
    const { pod: inside, world } = network;
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'report', namespace: 'shop' },
      spec: {
        template: {
          metadata: { annotations: { 'sidecar.istio.io/nativeSidecar': 'false' } },
          spec: {
            restartPolicy: 'Never',
            containers: [{ name: 'report', command: ['sh', '-c', `test -n work && ${farewell}`] }],
          },
        },
      },
    };
    const injected = injectObject(job, {
      config: {
        ...defaultInjectionConfig,
        xds: { ...defaultInjectionConfig.xds, tls: false, address: '127.0.0.1:1', initialFetchTimeoutSeconds: 1 },
      },
      ...{ meshConfig: defaultMeshConfig, labelsOf: () => undefined },
    })!;
    const { template } = injected.object.spec as { template: Pod };
    expect(template.spec.containers.map(({ name }) => name)).toEqual(['report', 'istio-proxy']);
    const [init, ...rules] = containerOf(template, 'istio-init').command as string[];
    await inside.exec(init!, rules);
    const ips = [inside.ipv4, inside.ipv6!];
    const facts = { name: 'report-1', namespace: 'shop', ips };
    const sidecar = await keep(startSidecar({ pod: template, facts, netns: inside.netns, uid: sidecarUid }));
    await eventually(
      'the sidecar to answer',
      async () => (await makeCall({ to: '127.0.0.1:15021', path: '/healthz/ready' }, { netns: inside.netns })).status === 503,
      { hopeless: () => (sidecar.hasExited() ? sidecar.log() : undefined), deadlineMs: 20_000 },
    );
    // Nobody else's word counts.
    const asked = await makeCall({ to: `${ips[0]}:15020`, path: '/quitquitquit', method: 'POST' }, { netns: world.netns });
    expect(asked.status).toBe(403);

    const [command, ...args] = containerOf(template, 'report').command as string[];
    const script = await keep(startProcess({ command: command!, args, netns: inside.netns, uid: owners.application.uid }));
    expect(await script.exited, script.log()).toEqual({ code: 0, signal: null });
    expect(await sidecar.exited, sidecar.log()).toEqual({ code: 0, signal: null });
  });
});
