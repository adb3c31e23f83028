import { KubeConfig, PortForward } from '@kubernetes/client-node';
import { meshKinds } from '../../api/index.ts';
import { ApiError } from '../../runtime/client/api-error.ts';
import { objectPath } from '../../runtime/client/resource-path.ts';
import { RestClient } from '../../runtime/client/rest-client.ts';
import { loadKubeConfig } from '../../runtime/manager/kube-config.ts';
import type { KubernetesObject, ObjectName } from '../../runtime/object.ts';
import { CommandError } from '../command-error.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { findReplicas, type PodConnection } from './find-replicas.ts';
import { forwardTo } from './port-forward.ts';
import type { Replica, ReplicaSource } from './replica.ts';

/** The replicas of the operator in the cluster that the options mean; undefined if they mean none. Throws a {@link CommandError}. */
export function replicasInCluster(options: ConnectionOptions): ReplicaSource | undefined {
  const kubeConfig = findKubeConfig(options);
  return kubeConfig && new ReplicasInCluster(kubeConfig, options.operatorNamespace);
}

/** Keeps one connection to each pod, however often the pods are looked up. */
class ReplicasInCluster implements ReplicaSource {
  readonly #rest: RestClient;
  readonly #forward: PortForward;
  readonly #namespace: string;
  #connections = new Map<string, PodConnection>();

  constructor(kubeConfig: KubeConfig, namespace: string) {
    this.#rest = new RestClient({ kubeConfig, userAgent: 'weft' });
    this.#forward = new PortForward(kubeConfig);
    this.#namespace = namespace;
  }

  async find(): Promise<Replica[]> {
    const known = this.#connections;
    const found = new Map<string, PodConnection>();
    try {
      const replicas = await findReplicas(this.#rest, this.#namespace, (pod) => {
        const connection = known.get(pod.name) ?? forwardTo(this.#forward, pod);
        found.set(pod.name, connection);
        return connection;
      });
      for (const [name, connection] of known) if (!found.has(name)) connection.close();
      this.#connections = found;
      return replicas;
    } catch (error) {
      if (error instanceof CommandError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandError(`looking for the operator's pods in namespace ${this.#namespace}: ${reason}`, 1, error);
    }
  }

  async generationOf(kindName: string, name: ObjectName): Promise<number | undefined> {
    const kind = meshKinds.find(({ kind }) => kind === kindName);
    if (!kind) return undefined;
    try {
      return (await this.#rest.request<KubernetesObject>({ path: objectPath(kind, name) })).metadata.generation;
    } catch (error) {
      if (error instanceof ApiError) return undefined;
      throw new CommandError(error instanceof Error ? error.message : String(error), 1, error);
    }
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#rest.close();
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
