import { defaultInstallation, namesOf } from '../../installation-names.ts';
import { isNotFound } from '../../runtime/client/api-error.ts';
import type { RestClient } from '../../runtime/client/rest-client.ts';
import { CommandError } from '../command-error.ts';
import type { Replica } from './replica.ts';

/** By which the operator's pods are found. */
export const operatorPodLabel = 'app.kubernetes.io/name=weft';

/** A pod of the operator. */
export interface OperatorPod {
  readonly namespace: string;
  readonly name: string;
}

/** A way to the status port of a pod. */
export type PodConnection = Pick<Replica, 'get' | 'close'>;

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly status?: { readonly phase?: string };
}

/**
 * The operator's running pods, the leader first. Throws a {@link CommandError} that says where it looked if there are none.
 * @param reach the way to a pod
 */
export async function findReplicas(
  rest: RestClient,
  namespace: string,
  reach: (pod: OperatorPod) => PodConnection,
): Promise<Replica[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const query = { labelSelector: operatorPodLabel };
  const { items } = await rest.request<{ items: Pod[] }>({ path: `${path}/pods`, query });
  const running = items.filter(({ metadata, status }) => status?.phase === 'Running' && !metadata.deletionTimestamp);
  if (!running.length)
    throw new CommandError(
      `no running pod with the label ${operatorPodLabel} in namespace ${namespace} of ${rest.host}; name another with --operator-namespace, or a control plane outside of a cluster with --address HOST:PORT`,
    );
  const leader = running.length === 1 ? undefined : await readLeader(rest, namespace, installationOf(running));
  return running
    .map(({ metadata: { name } }): Replica => {
      const isLeader = running.length === 1 || leader === name;
      const { get, close } = reach({ namespace, name });
      return { name: `${namespace}/${name}`, isLeader, get, close };
    })
    .sort((a, b) => Number(b.isLeader) - Number(a.isLeader));
}

/** Which installation is asked for status: of several revisions the default one, as far as it is there. */
function installationOf(pods: readonly Pod[]): string {
  const names = new Set(pods.map(({ metadata }) => metadata.labels?.['app.kubernetes.io/instance'] ?? defaultInstallation));
  return names.has(defaultInstallation) ? defaultInstallation : [...names].sort()[0]!;
}

/** The pod that holds the lease; undefined if nobody does. An identity is `<pod>_<random>`. */
async function readLeader(rest: RestClient, namespace: string, installation: string): Promise<string | undefined> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases/${namesOf(installation).lease}`;
  try {
    const { spec } = await rest.request<{ spec?: { holderIdentity?: string } }>({ path });
    return spec?.holderIdentity?.split('_')[0];
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
