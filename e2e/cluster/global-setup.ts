import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureEnvoy } from '../env/envoy-binary.ts';
import { Helm } from './chart.ts';
import { kubectlOf, run } from './run.ts';

const script = (name: string) => join(import.meta.dirname, name);

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the cluster's administrator. */
    kubeConfigFile: string;
  }
}

/**
 * Runs once before the tests on the cluster: brings up a real Kubernetes with the chart and the operator of this checkout, and takes it down
 * at the end unless it was up before or `WEFT_KEEP_CLUSTER=1`.
 */
export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const env = { WEFT_ENVOY: await ensureEnvoy() };
  await run([script('binaries')]);
  await run([script('image'), 'stock', 'pause', 'coredns', 'base', 'envoy', 'init'], { env });
  const wasUp = (await run([script('up'), '--check'], { mayFail: true })).code === 0;
  await run([script('test-images')]);
  const kubeConfigFile = (await run([script('up')], { env })).stdout.trim();
  if (wasUp)
    await run([script('image'), 'load', 'weft/operator:dev', 'weft/app:dev', 'envoyproxy/envoy:v1.40', 'weft/init:dev'], { env });
  await installOperator(kubeConfigFile, wasUp);
  provide('kubeConfigFile', kubeConfigFile);
  return async () => {
    if (!wasUp && process.env.WEFT_KEEP_CLUSTER !== '1') await run([script('down')]);
    else console.log(`The cluster is still up: export KUBECONFIG=${kubeConfigFile}; to take it down: e2e/cluster/down`);
  };
};

async function installOperator(kubeConfigFile: string, wasUp: boolean): Promise<void> {
  await new Helm(kubeConfigFile).install();
  if (!wasUp) return;
  // The image's name stays the same; pods of the last one would go on.
  const kubectl = kubectlOf(kubeConfigFile);
  await kubectl('rollout', 'restart', 'deployment/weft', '-n', 'weft-system');
  await kubectl('rollout', 'status', 'deployment/weft', '-n', 'weft-system', '--timeout=120s');
}
