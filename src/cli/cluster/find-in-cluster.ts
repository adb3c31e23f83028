import { KubeConfig, PortForward } from '@kubernetes/client-node';
import { RestClient } from '../../runtime/client/rest-client.ts';
import { loadKubeConfig } from '../../runtime/manager/kube-config.ts';
import { CommandError } from '../command-error.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { findReplicas } from './find-replicas.ts';
import { portForwardTransport } from './port-forward.ts';
import type { Replica } from './replica.ts';

/** The replicas of the operator in the cluster that the options mean; undefined if they mean none. Throws a {@link CommandError}. */
export async function findInCluster(options: ConnectionOptions): Promise<Replica[] | undefined> {
  const kubeConfig = findKubeConfig(options);
  if (!kubeConfig) return undefined;
  const rest = new RestClient({ kubeConfig, userAgent: 'weft' });
  try {
    return await findReplicas(rest, options.operatorNamespace, portForwardTransport(new PortForward(kubeConfig)));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      `looking for the operator's pods in namespace ${options.operatorNamespace}: ${error instanceof Error ? error.message : String(error)}`,
      1,
      error,
    );
  } finally {
    rest.close();
  }
}

/** The kubeconfig that was asked for, or the one that kubectl would use; undefined if there is none. */
function findKubeConfig({ kubeconfig, context }: ConnectionOptions): KubeConfig | undefined {
  try {
    if (kubeconfig === undefined && context === undefined && !hasDefaultCluster()) return undefined;
    return loadKubeConfig({ file: kubeconfig, context });
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), 1, error);
  }
}

/** The contexts that client-node makes up: in a pod, where the control plane is as near as the API server, and where it finds nothing. */
const madeUpContexts = ['inClusterContext', 'loaded-context'];

/** Whether the default places hold a kubeconfig that chooses a cluster. */
function hasDefaultCluster(): boolean {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  return !madeUpContexts.includes(kubeConfig.getCurrentContext()) && kubeConfig.getCurrentCluster() !== null;
}
