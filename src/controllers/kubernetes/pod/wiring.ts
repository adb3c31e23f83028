import { nodeKind } from '../../../api/kubernetes/node.ts';
import { podKind } from '../../../api/kubernetes/pod.ts';
import { objectKey } from '../../../mesh/object-key.ts';
import { informerSource } from '../../../runtime/cache/informer-source.ts';
import { enqueueRequestForObject, enqueueRequestsFromMapFunc } from '../../../runtime/event-handler.ts';
import { objectName, parseObjectName } from '../../../runtime/object.ts';
import { labelChanged } from '../../../runtime/predicate.ts';
import { reconcilerOf } from '../../../runtime/reconciler.ts';
import { type Wiring, watch } from '../../wiring.ts';
import { namespaceSource } from '../namespace/namespace-source.ts';
import { podLocality } from '../node/locality.ts';
import type { KubernetesSurroundings } from '../service/wiring.ts';
import { compilePod } from './compile.ts';

/** Pods, as workloads that ServiceEntries may pick. A node that moves takes its pods along. */
export function wirePods({ cache, mesh, namespaces }: KubernetesSurroundings): Wiring {
  const [pods, nodes] = [cache.store(podKind), cache.store(nodeKind)];
  pods.addIndex('node', ({ spec }) => (spec.nodeName === undefined ? [] : [spec.nodeName]));
  const reconciler = reconcilerOf((request) => {
    const { namespace, name } = parseObjectName(request.name);
    const key = objectKey('Pod', namespace, name);
    const pod = namespaces.includes(namespace) ? pods.get(request.name) : undefined;
    const node = pod?.spec.nodeName === undefined ? undefined : nodes.get(pod.spec.nodeName);
    const workload = pod && compilePod(pod, podLocality(pod, node));
    if (workload) mesh.put(key, { kind: 'workload', workload, isUntracked: true });
    else mesh.delete(key);
    return {};
  });
  return {
    name: 'pod',
    reconciler,
    watches: [
      watch(informerSource(cache, podKind), enqueueRequestForObject),
      watch(
        informerSource(cache, nodeKind),
        enqueueRequestsFromMapFunc(({ metadata }) => pods.byIndex('node', metadata.name).map(objectName)),
        labelChanged,
      ),
      watch(namespaceSource(namespaces, pods), enqueueRequestForObject),
    ],
  };
}
