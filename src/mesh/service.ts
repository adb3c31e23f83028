import { isIpAddress } from '../api/address.ts';
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
  /** A Kubernetes Service's target port where that is a name: workloads that lack a port of this name do not serve the port. */
  readonly targetPortName?: string;
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
  /** Its other addresses: a dual-stack pod's of the other family. */
  readonly additionalAddresses?: readonly string[];
  /** The endpoint's own port by service port name; 0: it does not serve that port. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality?: Locality;
  /** Share of traffic relative to its siblings; default 1. */
  readonly weight: number;
  /** Absent: fit for traffic. */
  readonly health?: EndpointHealth;
  /** The object that the endpoint comes from: a Service, a ServiceEntry, a WorkloadEntry, a Pod. */
  readonly owner: ObjectKey;
}

/**
 * Why an endpoint gets no traffic. `unready`: proxies are told of it, and that it is unhealthy. `withheld`: proxies are not told
 * (it is terminating). Either is still an endpoint: its own proxy goes on serving its ports, however often readiness flips.
 */
export type EndpointHealth = 'unready' | 'withheld';

/** What a workload that a selector may pick says of itself: a WorkloadEntry or a Pod. */
export interface Workload extends Endpoint {
  readonly namespace: string;
  readonly name: string;
  readonly isPod?: boolean;
}

/** Who declared a service, in Istio's words: a Kubernetes Service, or a ServiceEntry (`External`). */
export type Registry = 'Kubernetes' | 'External';

/** Who sees a service: Istio's `exportTo`, resolved against the object's own namespace. */
export type Visibility = { readonly kind: 'all' } | { readonly kind: 'namespaces'; readonly namespaces: ReadonlySet<string> };

/** One host as one object declares it, all but its endpoints. Immutable; the same object as long as only endpoints move. */
export interface ServiceSpec {
  /** Lower case; may begin with `*.`. */
  readonly hostname: string;
  readonly namespace: string;
  readonly owner: ObjectKey;
  readonly registry: Registry;
  /** Milliseconds since the epoch: the older of two claims wins. */
  readonly createdAtMs: number;
  readonly resolution: Resolution;
  readonly isExternal: boolean;
  readonly visibility: Visibility;
  /** IPv4, IPv6 or CIDR, as declared. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  /** Has no address of its own: clients connect to the endpoints' (docs/adr/0009). */
  readonly isHeadless?: boolean;
  /** The host that this one is another name of: an ExternalName Service, which has no resources of its own. Lower case. */
  readonly aliasOf?: string;
  /** Picks workloads of the same namespace as endpoints; see {@link picks}. */
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
  /** The services that are other names of this one, by host. */
  readonly aliases: readonly ServiceSpec[];
  /** By `address:port`, the older services that hold it: to a proxy that sees one of them, traffic there is not this service's. */
  readonly lostAddresses: ReadonlyMap<string, readonly ServiceSpec[]>;
}

/** The port of `endpoint` that serves `port`: its own by name, else the service's target port, else the port itself; 0: none does. */
export function endpointPort(endpoint: Endpoint, port: ServicePort): number {
  const own = Object.hasOwn(endpoint.ports, port.name) ? endpoint.ports[port.name] : undefined;
  if (own !== undefined) return own;
  if (port.targetPortName !== undefined) return endpoint.ports[port.targetPortName] ?? 0;
  return port.targetPort ?? port.number;
}

/** Every address of an endpoint, the one it is known by first. */
export function endpointAddresses(endpoint: Endpoint): readonly string[] {
  return endpoint.additionalAddresses ? [endpoint.address, ...endpoint.additionalAddresses] : [endpoint.address];
}

/** Whether the host stands for many (`*.example.com`). */
export function isWildcard(hostname: string): boolean {
  return hostname.startsWith('*');
}

/** Older first; of the same age by owner, so that the order never depends on arrival. */
export function compareAge(a: ServiceSpec, b: ServiceSpec): number {
  return a.createdAtMs - b.createdAtMs || (a.owner < b.owner ? -1 : a.owner > b.owner ? 1 : 0);
}

/**
 * Who has a host that two services of one namespace claim: a Kubernetes Service goes before a ServiceEntry, so that nobody can take
 * a name ahead of the Service that will bear it (Istio's rule); otherwise as {@link compareAge}.
 */
export function comparePrecedence(a: ServiceSpec, b: ServiceSpec): number {
  return Number(b.registry === 'Kubernetes') - Number(a.registry === 'Kubernetes') || compareAge(a, b);
}

/** Why `winner` has a host, for messages: `..., which is older and wins`. */
export function explainPrecedence(winner: ServiceSpec, loser: ServiceSpec): string {
  return winner.registry === 'Kubernetes' && loser.registry !== 'Kubernetes'
    ? 'which wins as a Kubernetes Service'
    : 'which is older and wins';
}

/**
 * Whether a service's selector picks a workload of its namespace. The pods of a Kubernetes Service come by its EndpointSlices,
 * so of workloads it picks the others, those with an IP address (Istio's rule for WorkloadEntries behind a Service).
 */
export function picks(spec: ServiceSpec, workload: Workload): boolean {
  const { workloadSelector, registry } = spec;
  if (!workloadSelector) return false;
  if (registry === 'Kubernetes' && (workload.isPod || !isIpAddress(workload.address))) return false;
  return selects(workloadSelector, workload.labels);
}

/** Whether every label of `selector` stands in `labels`. An empty selector matches everything. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  for (const name in selector) if (labels[name] !== selector[name]) return false;
  return true;
}
