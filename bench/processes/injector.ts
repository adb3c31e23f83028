import { Registry } from 'prom-client';
import { namespaceKind } from '../../src/api/kubernetes/namespace.ts';
import { defaultMeshConfig } from '../../src/mesh/mesh-config.ts';
import { ObjectStore } from '../../src/runtime/cache/object-store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import type { KubernetesObject } from '../../src/runtime/object.ts';
import { selfSigned } from '../../src/runtime/testing/self-signed.ts';
import { CertificateValue } from '../../src/runtime/webhook/certificates.ts';
import { WebhookServer } from '../../src/runtime/webhook/server.ts';
import { createInjectionHandler } from '../../src/webhooks/admission/injection-handler.ts';
import { defaultInjectionConfig } from '../../src/webhooks/injector/config/injection-config.ts';
import { injectPod } from '../../src/webhooks/injector/inject-pod.ts';
import type { Pod } from '../../src/webhooks/injector/pod.ts';
import { nowMs } from '../clock.ts';
import { serve } from './serve.ts';

const enabled: KubernetesObject = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', namespace: '', labels: { 'istio-injection': 'enabled' } },
};

const operations = {
  /** Injects each pod once. Answers how long each took, in milliseconds. */
  inject({ pods }: { pods: readonly string[] }): number[] {
    return pods.map((text) => {
      const pod = JSON.parse(text) as Pod;
      return timed(() => {
        const { outcome } = injectPod({
          pod,
          namespace: { name: 'shop', labels: enabled.metadata.labels! },
          config: defaultInjectionConfig,
          meshConfig: defaultMeshConfig,
        });
        if (outcome !== 'injected') throw new Error(outcome);
      });
    });
  },

  /** Counts, as often and each time as long as a pod takes. Answers how long each took, in milliseconds: the machine's own hiccups. */
  count({ times, eachMs }: { times: number; eachMs: number }): number[] {
    const trialSteps = 1_000_000;
    const trials = Array.from({ length: 50 }, () => timed(() => spin(trialSteps))).sort((a, b) => a - b);
    const steps = Math.round((eachMs / trials[trials.length >> 1]!) * trialSteps);
    return Array.from({ length: times }, () => timed(() => spin(steps)));
  },

  /** Starts the webhook server with the real handler. Answers its port and its certificate. */
  async start(): Promise<{ port: number; certificate: string }> {
    const certificate = selfSigned(['127.0.0.1']);
    const server = new WebhookServer({ certificates: new CertificateValue(certificate), bind: { host: '127.0.0.1', port: 0 } });
    const namespaces = new ObjectStore<KubernetesObject>(namespaceKind);
    namespaces.replace([enabled]);
    const handler = createInjectionHandler({
      inject: injectPod,
      config: () => defaultInjectionConfig,
      meshConfig: () => defaultMeshConfig,
      namespaces,
      readNamespace: async () => enabled,
      clock: systemClock,
      logger: silentLogger,
      registry: new Registry(),
    });
    server.register('/inject', handler);
    const { signal } = new AbortController();
    void server.start(signal);
    await server.waitForReady(signal);
    return { port: Number(server.address!.split(':').pop()), certificate: certificate.certificate };
  },

  /** What the process has used of a core, in milliseconds. */
  cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

function timed(work: () => unknown): number {
  const startedAtMs = nowMs();
  work();
  return nowMs() - startedAtMs;
}

function spin(steps: number): number {
  let sum = 0;
  for (let step = 0; step < steps; step++) sum += step % 7;
  return sum;
}

export type InjectorOperations = typeof operations;

serve(operations);
