import { join } from 'node:path';
import { kubectlOf, run } from './run.ts';

/** Kills a container of a pod of the cluster with SIGKILL, as the kernel does when memory is short: nobody is told before. */
export const killContainer = async (kubeConfigFile: string, namespace: string, pod: string): Promise<void> => {
  const jsonPath = 'jsonpath={.status.containerStatuses[0].containerID}';
  const id = await kubectlOf(kubeConfigFile)('get', 'pod', pod, `--namespace=${namespace}`, '-o', jsonPath);
  const script = '. "$0"; nsenter -t "$(init)" -m ctr -n k8s.io task kill -s SIGKILL "$1"';
  await run(['bash', '-c', script, join(import.meta.dirname, 'env'), id.replace('containerd://', '')]);
};
