import ipaddr from 'ipaddr.js';
import type { ConnectionPool } from './connection-pool.ts';
import type { MeshConfig } from './mesh-config.ts';
import type { ObjectKey } from './object-key.ts';
import type { InterceptionMode, IpFamilies, ProxyNode } from './proxy.ts';
import type { Service, ServicePort } from './service.ts';
import type { EgressProxy, EgressSpec, IngressSpec, OutboundTrafficMode, Sidecar } from './sidecar.ts';

/** What a proxy's class tells of the proxy: everything that may differ between two classes' resources. */
export interface ProxyTraits {
  readonly namespace: string;
  readonly dnsDomain: string;
  readonly ipFamilies: IpFamilies;
  readonly interceptionMode: InterceptionMode;
  /** The proxy answers its workload's DNS, so automatic addresses reach the application (Istio's `DNS_CAPTURE`). */
  readonly capturesDns: boolean;
  /** The proxy must not bind ports below 1024 (Istio's `UNPRIVILEGED_POD`): listeners that it would have to bind there are left out. */
  readonly isUnprivileged: boolean;
  /**
   * The workload's own addresses, set only where its Sidecar has listeners that are made from them ({@link needsAddresses}):
   * they make a class of each proxy.
   */
  readonly addresses?: readonly string[];
}

/** A service port that the proxy's own workload serves. */
export interface InboundInstance {
  readonly service: Service;
  readonly port: ServicePort;
  /** The workload's own port behind it. */
  readonly targetPort: number;
}

/** The services that one egress listener imports. */
export interface EgressView {
  readonly spec: EgressSpec;
  /** By host, each already narrowed to the listener's port where it has one. */
  readonly services: ReadonlyMap<string, Service>;
}

/** Everything the translator may look at, and nothing else: a cache keyed by it cannot lie. */
export interface ProxyView {
  readonly traits: ProxyTraits;
  readonly config: MeshConfig;
  readonly egress: readonly EgressView[];
  readonly ingress: readonly IngressSpec[];
  readonly inbound: readonly InboundInstance[];
  readonly inboundConnectionPool?: ConnectionPool;
  readonly outboundTrafficMode: OutboundTrafficMode;
  /** Where unknown traffic goes under ALLOW_ANY; absent: where it was going. */
  readonly egressProxy?: EgressProxy;
  /** The Sidecar that shaped this view, for provenance. */
  readonly sidecarKey?: ObjectKey;
}

/**
 * The traits of one proxy.
 * @param sidecar the Sidecar in force for it
 */
export function traitsOf(node: ProxyNode, sidecar: Sidecar | undefined): ProxyTraits {
  const { namespace, dnsDomain, ipFamilies, interceptionMode, metadata } = node;
  const addresses = needsAddresses(sidecar, node) ? node.ipAddresses.filter(isGlobalUnicast) : [];
  return {
    namespace,
    dnsDomain,
    ipFamilies,
    interceptionMode,
    capturesDns: metadata.DNS_CAPTURE === 'true' || metadata.DNS_CAPTURE === true,
    isUnprivileged: metadata.UNPRIVILEGED_POD === 'true' || metadata.UNPRIVILEGED_POD === true,
    ...(addresses.length ? { addresses } : {}),
  };
}

/** Everything that makes one proxy's traits differ from another's, as text. */
export function traitsKey({
  namespace,
  dnsDomain,
  ipFamilies,
  interceptionMode,
  capturesDns,
  isUnprivileged,
  addresses = [],
}: ProxyTraits): string {
  const flags = [capturesDns ? 'dns' : '', isUnprivileged ? 'unprivileged' : ''];
  return [namespace, dnsDomain, ipFamilies, interceptionMode, ...flags, ...addresses].join('|');
}

/**
 * Whether the addresses of the workload stand in what its Sidecar makes: a listener that the proxy binds itself without being told
 * where listens on them, and a `defaultEndpoint` of 0.0.0.0 or :: means them. Where connections come by interception and are
 * of one family, their original destination tells the address; with two, one family's may have to be answered by the other's.
 */
function needsAddresses(sidecar: Sidecar | undefined, node: Pick<ProxyNode, 'interceptionMode' | 'ipFamilies'>): boolean {
  return (sidecar?.ingress ?? []).some((ingress) => {
    const isBound = bindsIngress(ingress, node);
    const [, workload] = /^(0\.0\.0\.0|\[::\]|):/.exec(ingress.defaultEndpoint ?? '') ?? [];
    if (isBound) return ingress.bind === undefined || workload !== undefined;
    return Boolean(workload) && node.ipFamilies === 'dual';
  });
}

/** Whether the proxy binds an ingress listener's port itself, instead of being handed what was intercepted (Istio's `getBindToPort`). */
export function bindsIngress({ captureMode }: IngressSpec, { interceptionMode }: Pick<ProxyTraits, 'interceptionMode'>): boolean {
  return captureMode === 'NONE' || (captureMode === 'DEFAULT' && interceptionMode === 'NONE');
}

/** Whether a proxy may bind a port itself, as Istio's `CanBindToPort` asks: below 1024 Linux asks for a privilege. */
export function mayBind(port: number, { isUnprivileged }: Pick<ProxyTraits, 'isUnprivileged'>): boolean {
  return !isUnprivileged || port >= 1024;
}

/** Whether other hosts reach an address as it stands: not loopback, not link-local, not 'any', no multicast. */
function isGlobalUnicast(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const range = ipaddr.parse(address).range();
  return !['loopback', 'linkLocal', 'unspecified', 'multicast', 'broadcast'].includes(range);
}

/** Puts a view together: what the Sidecar says goes before what the mesh's config says. */
export function composeView(parts: {
  readonly traits: ProxyTraits;
  readonly config: MeshConfig;
  readonly egress: readonly EgressView[];
  readonly inbound: readonly InboundInstance[];
  readonly sidecar: Sidecar | undefined;
}): ProxyView {
  const { traits, config, egress, inbound, sidecar } = parts;
  const policy = sidecar?.outboundTrafficPolicy ?? config.outboundTrafficPolicy;
  const egressProxy = sidecar?.outboundTrafficPolicy?.egressProxy;
  return {
    traits,
    config,
    egress,
    ingress: sidecar?.ingress ?? [],
    inbound,
    outboundTrafficMode: policy.mode,
    ...(sidecar?.inboundConnectionPool ? { inboundConnectionPool: sidecar.inboundConnectionPool } : {}),
    ...(egressProxy ? { egressProxy } : {}),
    ...(sidecar ? { sidecarKey: sidecar.key } : {}),
  };
}
