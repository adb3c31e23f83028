import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { RestClient } from '../../src/runtime/client/rest-client.ts';
import { appPod } from './mesh-pods.ts';

/** What became of the pods that were made while something went on. */
export interface InjectionReport {
  readonly injected: number;
  /** What the API server said to those that it refused. */
  readonly refusals: readonly Refusal[];
}

/** A pod that was not made. */
export interface Refusal {
  /** On `performance.now()`'s clock. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly message: string;
}

/** Several a second. */
const pauseMs = 100;

/**
 * Makes pods in a namespace all the time while something goes on, as a dry run, one after the other. Rejects if one comes without a
 * sidecar: that must never happen.
 */
export const whileInjecting = async (
  kubeConfigFile: string,
  namespace: string,
  action: Promise<unknown>,
): Promise<InjectionReport> => {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeConfigFile);
  const rest = new RestClient({ kubeConfig });
  let [isOver, injected] = [false, 0];
  const refusals: Refusal[] = [];
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const makePods = async () => {
    while (!isOver) {
      const startedMs = performance.now();
      let made: { spec: { initContainers?: readonly { name: string }[] } };
      try {
        made = await rest.request({ method: 'POST', path, query: { dryRun: 'All' }, body: appPod('try'), maxRetries: 0 });
      } catch (error) {
        refusals.push({ startedMs, endedMs: performance.now(), message: (error as Error).message });
        await sleep(pauseMs);
        continue;
      }
      const names = made.spec.initContainers?.map(({ name }) => name) ?? [];
      if (!names.includes('istio-proxy')) throw new Error(`a pod came without a sidecar, with ${names.join(', ') || 'nothing'}`);
      injected++;
      await sleep(pauseMs);
    }
  };
  try {
    await Promise.all([makePods(), action.finally(() => (isOver = true))]);
  } finally {
    isOver = true;
    rest.close();
  }
  return { injected, refusals };
};
