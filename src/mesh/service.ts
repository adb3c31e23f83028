import type { Protocol } from '../api/protocol.ts';
import type { ObjectKey } from './object-key.ts';

/** How a listener treats a protocol: routes by host, by SNI, by address alone, by sniffing; `none`: it has no listener (UDP). */
export type ListenerProtocol = 'http' | 'tls' | 'tcp' | 'auto' | 'none';

/** The treatment that a port's protocol gets. */
export function listenerProtocol(protocol: Protocol): ListenerProtocol {
  switch (protocol) {
    case 'HTTP':
    case 'HTTP2':
    case 'GRPC':
    case 'GRPC-Web':
    case 'HTTP_PROXY':
      return 'http';
    case 'HTTPS':
    case 'TLS':
      return 'tls';
    case 'TCP':
    case 'Mongo':
    case 'MySQL':
    case 'Redis':
      return 'tcp';
    case 'UDP':
      return 'none';
    case 'Unsupported':
      return 'auto';
  }
}

/** How a service's endpoints are found: ServiceEntry's `resolution`. */
export type Resolution = 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: Protocol;
  /** The port of endpoints that name none of their own; default: `number`. */
  readonly targetPort?: number;
}

/** Region, zone and sub-zone; empty where unknown. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** One place that serves a service. */
export interface Endpoint {
  /** An IPv4 or IPv6 address without brackets, a host name, or `unix:///path` or `unix://@abstract`. */
  readonly address: string;
  /** The endpoint's own port by service port name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality?: Locality;
  /** Share of traffic relative to its siblings; default 1. */
  readonly weight: number;
  /** The object that the endpoint comes from: a ServiceEntry, a WorkloadEntry. */
  readonly owner: ObjectKey;
}

/** What a workload that a selector may pick says of itself: a WorkloadEntry (later a Pod). */
export interface Workload extends Endpoint {
  readonly namespace: string;
  readonly name: string;
}

/** Who sees a service: Istio's `exportTo`, resolved against the object's own namespace. */
export type Visibility = { readonly kind: 'all' } | { readonly kind: 'namespaces'; readonly namespaces: ReadonlySet<string> };

/** One host as one object declares it, all but its endpoints. Immutable; the same object as long as only endpoints move. */
export interface ServiceSpec {
  /** Lower case; may begin with `*.`. */
  readonly hostname: string;
  readonly namespace: string;
  readonly owner: ObjectKey;
  /** Milliseconds since the epoch: the older of two claims wins. */
  readonly createdAtMs: number;
  readonly resolution: Resolution;
  readonly isExternal: boolean;
  readonly visibility: Visibility;
  /** IPv4, IPv6 or CIDR, as declared. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  /** Picks workloads of the same namespace as endpoints. */
  readonly workloadSelector?: Readonly<Record<string, string>>;
  /** The host may be given addresses of the mesh's own pools (it has none and could use one). */
  readonly wantsAddresses: boolean;
  /** The addresses that the object's status recorded for this host: they are kept as long as they are free. */
  readonly recordedAddresses: readonly string[];
}

/** One host of an object's generation: what it is, and the endpoints that stand in the object itself. */
export interface DeclaredService {
  readonly spec: ServiceSpec;
  readonly endpoints: readonly Endpoint[];
}

/** A {@link ServiceSpec} with what the rest of the mesh contributes to it. Immutable: any change makes a new one. */
export interface Service {
  readonly spec: ServiceSpec;
  /** Declared and selected endpoints together. */
  readonly endpoints: readonly Endpoint[];
  /** Addresses given by the mesh: at most one of each family. */
  readonly automaticAddresses: readonly string[];
  /** By `address:port`, the older services that hold it: to a proxy that sees one of them, traffic there is not this service's. */
  readonly lostAddresses: ReadonlyMap<string, readonly ServiceSpec[]>;
}

/** The port of `endpoint` that serves `port`: its own by name, else the service's target port, else the port itself. */
export function endpointPort(endpoint: Endpoint, port: ServicePort): number {
  const own = Object.hasOwn(endpoint.ports, port.name) ? endpoint.ports[port.name] : undefined;
  return own ?? port.targetPort ?? port.number;
}

/** Whether the host stands for many (`*.example.com`). */
export function isWildcard(hostname: string): boolean {
  return hostname.startsWith('*');
}

/** Older first; of the same age by owner, so that the order never depends on arrival. */
export function compareAge(a: ServiceSpec, b: ServiceSpec): number {
  return a.createdAtMs - b.createdAtMs || (a.owner < b.owner ? -1 : a.owner > b.owner ? 1 : 0);
}

/** Whether every label of `selector` stands in `labels`. An empty selector matches everything. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  for (const name in selector) if (labels[name] !== selector[name]) return false;
  return true;
}
