import {
  type EndpointSlice,
  endpointSliceKind,
  importedServiceNameLabel,
  type SliceEndpoint,
  serviceNameLabel,
} from '../../../api/kubernetes/endpoint-slice.ts';
import { nodeKind } from '../../../api/kubernetes/node.ts';
import { type Pod, podKind } from '../../../api/kubernetes/pod.ts';
import { serviceKind } from '../../../api/kubernetes/service.ts';
import type { Mesh } from '../../../mesh/mesh.ts';
import { objectKey } from '../../../mesh/object-key.ts';
import type { Locality } from '../../../mesh/service.ts';
import type { Cache } from '../../../runtime/cache/cache.ts';
import { informerSource } from '../../../runtime/cache/informer-source.ts';
import type { ObjectStore } from '../../../runtime/cache/object-store.ts';
import { enqueueRequestForObject, enqueueRequestsFromMapFunc } from '../../../runtime/event-handler.ts';
import { type DeepReadonly, type ObjectName, parseObjectName } from '../../../runtime/object.ts';
import { labelChanged, type Predicate } from '../../../runtime/predicate.ts';
import { type Reconciler, reconcilerOf } from '../../../runtime/reconciler.ts';
import { parseLocality } from '../../endpoint.ts';
import { type Wiring, watch } from '../../wiring.ts';
import type { NamespaceFilter } from '../namespace/namespace-filter.ts';
import { namespaceSource } from '../namespace/namespace-source.ts';
import { nodeLocality, podLocalityLabel } from '../node/locality.ts';
import { compileService } from './compile.ts';

/** What the controllers of Kubernetes' own kinds work with. */
export interface KubernetesSurroundings {
  readonly cache: Cache;
  readonly mesh: Mesh;
  readonly namespaces: NamespaceFilter;
  /** The cluster's DNS domain, which ends every Service's host name. */
  readonly clusterDomain: string;
}

/**
 * Services, each compiled together with its EndpointSlices. A slice, and what tells where its endpoints stand (their nodes, a pod's
 * locality label), reconcile the Service: its spec comes out the same, so that only endpoints move.
 */
export function wireServices(surroundings: KubernetesSurroundings): Wiring {
  const { cache, namespaces } = surroundings;
  const slices = cache.store(endpointSliceKind);
  indexSlices(slices);
  const servicesOf = (index: string) => (name: ObjectName) => slices.byIndex(index, name).flatMap((slice) => serviceNames(slice));
  const [onNode, ofPod] = [servicesOf('node'), servicesOf('pod')];
  return {
    name: 'service',
    reconciler: serviceReconciler(surroundings),
    watches: [
      watch(informerSource(cache, serviceKind), enqueueRequestForObject),
      watch(informerSource(cache, endpointSliceKind), enqueueRequestsFromMapFunc<EndpointSlice>(serviceNames)),
      watch(
        informerSource(cache, nodeKind),
        enqueueRequestsFromMapFunc(({ metadata }) => onNode(metadata.name)),
        labelChanged,
      ),
      watch(
        informerSource(cache, podKind),
        enqueueRequestsFromMapFunc(({ metadata }) => ofPod(`${metadata.namespace}/${metadata.name}`)),
        movesPod,
      ),
      watch(namespaceSource(namespaces, cache.store(serviceKind)), enqueueRequestForObject),
    ],
  };
}

function serviceReconciler({ cache, mesh, namespaces, clusterDomain }: KubernetesSurroundings): Reconciler {
  const [services, slices] = [cache.store(serviceKind), cache.store(endpointSliceKind)];
  const [nodes, pods] = [cache.store(nodeKind), cache.store(podKind)];
  const locate = ({ targetRef, nodeName, zone }: DeepReadonly<SliceEndpoint>, namespace: string): Locality | undefined => {
    const pod = targetRef?.kind === 'Pod' ? pods.get(`${namespace}/${targetRef.name}`) : undefined;
    return (
      parseLocality(pod && podLocalityLabel(pod)) ??
      (nodeName === undefined ? undefined : nodeLocality(nodes.get(nodeName))) ??
      (zone ? { region: '', zone, subZone: '' } : undefined)
    );
  };
  return reconcilerOf((request) => {
    const { namespace, name } = parseObjectName(request.name);
    const key = objectKey('Service', namespace, name);
    const service = namespaces.includes(namespace) ? services.get(request.name) : undefined;
    const compiled =
      service && compileService(service, { slices: slices.byIndex('service', request.name), clusterDomain, locate });
    if (compiled) mesh.put(key, { kind: 'services', services: [compiled], isUntracked: true });
    else mesh.delete(key);
    return {};
  });
}

function indexSlices(slices: ObjectStore<EndpointSlice>): void {
  slices.addIndex('service', serviceNames);
  slices.addIndex('node', ({ endpoints }) => endpoints.flatMap(({ nodeName }) => nodeName ?? []));
  slices.addIndex('pod', ({ metadata, endpoints }) =>
    endpoints.flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' ? `${metadata.namespace}/${targetRef.name}` : [])),
  );
}

/** The Service that a slice belongs to, if any. */
function serviceNames({ metadata }: DeepReadonly<EndpointSlice>): ObjectName[] {
  const name = metadata.labels?.[serviceNameLabel];
  return name && metadata.labels?.[importedServiceNameLabel] === undefined ? [`${metadata.namespace}/${name}`] : [];
}

/** Of a pod's changes only those matter to Services that make it stand elsewhere; the rest comes by its slices. */
const movesPod: Predicate<Pod> = (event) => {
  if (event.type === 'update') return podLocalityLabel(event.objectOld) !== podLocalityLabel(event.objectNew);
  return podLocalityLabel(event.object) !== undefined;
};
