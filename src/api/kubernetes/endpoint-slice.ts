import type { KubernetesObject } from '../../runtime/object.ts';
import { defined, type KubernetesKind, type SentObject, slimMetadata } from './kind.ts';

/** The label by which an EndpointSlice names the Service that it belongs to. */
export const serviceNameLabel = 'kubernetes.io/service-name';
/** Marks slices that came from other clusters (the multi-cluster API): they belong to no Service of this one. */
export const importedServiceNameLabel = 'multicluster.kubernetes.io/service-name';

/** One endpoint of a slice: a pod, mostly. */
export interface SliceEndpoint {
  /** All of one family; consumers take any, and the API server's own controller writes one. */
  readonly addresses: readonly string[];
  readonly conditions?: {
    /** Absent: ready. */
    readonly ready?: boolean;
    /** Absent: as `ready`. True of a pod that terminates and still answers. */
    readonly serving?: boolean;
    /** Absent: not terminating. */
    readonly terminating?: boolean;
  };
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: { readonly kind: string; readonly namespace?: string; readonly name: string };
}

/** The port behind a Service port; one without a number is not restricted to any, which says nothing to Weft. */
export interface SlicePort {
  /** The name of the Service's port; absent: the empty one. */
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
}

/** A discovery.k8s.io/v1 EndpointSlice, as far as Weft reads it. */
export interface EndpointSlice extends KubernetesObject {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

/** Kubernetes' EndpointSlice. */
export const endpointSliceKind: KubernetesKind<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  slim(object) {
    const sent = object as SentObject & Partial<Pick<EndpointSlice, 'addressType' | 'endpoints' | 'ports'>>;
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: slimMetadata(sent, { labels: [serviceNameLabel, importedServiceNameLabel] }),
      addressType: sent.addressType ?? 'IPv4',
      endpoints: (sent.endpoints ?? []).map(slimEndpoint),
      ports: (sent.ports ?? []).map(({ name, port, protocol }) => defined<SlicePort>({ name, port, protocol })),
    };
  },
};

function slimEndpoint({ addresses, conditions, nodeName, zone, targetRef }: SliceEndpoint): SliceEndpoint {
  return defined<SliceEndpoint>({
    addresses: [...(addresses ?? [])],
    conditions: conditions && slimConditions(conditions),
    nodeName,
    zone,
    targetRef: targetRef && slimTargetRef(targetRef),
  });
}

function slimConditions({ ready, serving, terminating }: NonNullable<SliceEndpoint['conditions']>) {
  return defined<NonNullable<SliceEndpoint['conditions']>>({ ready, serving, terminating });
}

function slimTargetRef({ kind, namespace, name }: NonNullable<SliceEndpoint['targetRef']>) {
  return defined<NonNullable<SliceEndpoint['targetRef']>>({ kind, namespace, name });
}
