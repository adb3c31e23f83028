import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureEnvoy } from '../env/envoy-binary.ts';
import { kubectlOf, run } from './run.ts';

const root = join(import.meta.dirname, '../..');
const script = (name: string) => join(import.meta.dirname, name);

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the cluster's administrator. */
    kubeConfigFile: string;
  }
}

/**
 * Runs once before the tests on the cluster: brings up a real Kubernetes with the operator of this checkout in a pod, and takes it down
 * at the end unless it was up before or `WEFT_KEEP_CLUSTER=1`.
 */
export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const env = { WEFT_ENVOY: await ensureEnvoy() };
  await run([script('binaries')]);
  await run([script('image'), 'stock', 'pause', 'coredns', 'base', 'envoy'], { env });
  const wasUp = (await run([script('up'), '--check'], { mayFail: true })).code === 0;
  await run([script('operator-image')]);
  const kubeConfigFile = (await run([script('up')], { env })).stdout.trim();
  if (wasUp) await run([script('image'), 'load', 'weft/operator:dev', 'envoyproxy/envoy:v1.40'], { env });
  await installOperator(kubeConfigFile);
  provide('kubeConfigFile', kubeConfigFile);
  return async () => {
    if (!wasUp && process.env.WEFT_KEEP_CLUSTER !== '1') await run([script('down')]);
    else console.log(`The cluster is still up: export KUBECONFIG=${kubeConfigFile}; to take it down: e2e/cluster/down`);
  };
};

async function installOperator(kubeConfigFile: string): Promise<void> {
  const kubectl = kubectlOf(kubeConfigFile);
  await kubectl('apply', '--server-side', '-f', join(root, 'crds'), '-f', script('manifests/namespaces.yaml'));
  await kubectl('apply', '-f', join(root, 'docs/reference/rbac.yaml'), '-f', script('manifests/operator.yaml'));
  // The image's name stays the same; pods of the last one would go on.
  const patch = { spec: { template: { metadata: { annotations: { 'weft.dev/installed': new Date().toISOString() } } } } };
  await kubectl('patch', 'deployment', 'weft', '-n', 'weft-system', '-p', JSON.stringify(patch));
  await kubectl('rollout', 'status', 'deployment/weft', '-n', 'weft-system', '--timeout=120s');
}
