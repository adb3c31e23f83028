import type { ObjectKey } from '../mesh/object-key.ts';

/** The resource types that Weft serves, by the message's full type URL. */
export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  /** A filter's configuration, had by name (`config_discovery`): ECDS. */
  extensionConfig: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
} as const;

/** One of {@link typeUrls}. */
export type TypeUrl = (typeof typeUrls)[keyof typeof typeUrls];

/** The order that is safe for traffic: additions and changes in this order, removals last and in reverse. */
export const pushOrder: readonly TypeUrl[] = [
  typeUrls.cluster,
  typeUrls.endpoint,
  typeUrls.listener,
  typeUrls.route,
  typeUrls.extensionConfig,
];

/** One Envoy resource, serialised once and shared by every proxy that sees it identically. Immutable. */
export interface Resource {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  /** A hash of `value`: the same bytes have the same version, after a restart too. */
  readonly version: string;
  /** The serialised message (the `value` of the `Any` that carries it). */
  readonly value: Uint8Array;
  /** The objects this resource was computed from. */
  readonly provenance: readonly ObjectKey[];
  /** Resources that a proxy holding this one asks for by name, or needs: a cluster its endpoints, a listener its routes and filters. */
  readonly requires: readonly ResourceReference[];
}

/** Names a resource that another one refers to. */
export interface ResourceReference {
  readonly typeUrl: TypeUrl;
  readonly name: string;
}
