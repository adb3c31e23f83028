import { access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findKubeAssets } from '../../src/runtime/testenv/kube-assets.ts';
import { startProcess } from './process.ts';

/** Where kubectl is: beside etcd and kube-apiserver. Undefined: there is none. */
export const findKubectl = async (): Promise<string | undefined> => {
  const found = await findKubeAssets();
  if (!found.ok) return undefined;
  const path = join(found.assets.directory, 'kubectl');
  return access(path, constants.X_OK).then(
    () => path,
    () => undefined,
  );
};

/** What a command printed, stdout and stderr as they came, and how it ended. */
export interface ShellResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a line of shell with kubectl in its path, in `folder`, on the cluster of the kubeconfig. */
export const runShell = async (
  line: string,
  { kubectl, kubeConfigFile, folder }: { kubectl: string; kubeConfigFile: string; folder: string },
): Promise<ShellResult> => {
  const shell = await startProcess({
    command: 'bash',
    args: ['-o', 'pipefail', '-c', `cd "$0" && { ${line}\n} 2>&1`, folder],
    name: line,
    env: {
      KUBECONFIG: kubeConfigFile,
      PATH: `${dirname(kubectl)}:${process.env.PATH}`,
      // Where kubectl keeps what it has learned of a cluster; another one may have had the same port.
      KUBECACHEDIR: join(folder, 'cache'),
      TZ: 'UTC',
    },
  });
  const { code } = await shell.exited;
  return { code, output: shell.log() };
};
