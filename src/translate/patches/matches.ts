import { renamedFilters } from '../../api/envoy-filter/filter-names.ts';
import type { Cluster } from '../../envoy/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain } from '../../envoy/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Route } from '../../envoy/gen/envoy/config/route/v3/route_components_pb.js';
import { type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { dnsListener, dnsTcpListener } from '../names.ts';
import {
  contextOf,
  isListenerNamed,
  isVirtual,
  listenerPort,
  parseClusterName,
  routePort,
  type SidecarContext,
} from './resource-name.ts';

/** What Istio's `patchContextMatch` asks: GATEWAY and WAYPOINT are never a sidecar's. */
export function fitsContext(patch: EnvoyFilterPatch, context: SidecarContext): boolean {
  return patch.context === 'ANY' || patch.context === context;
}

/** Whether a patch may be for some sidecar. */
export function isForSidecars({ context }: EnvoyFilterPatch): boolean {
  return context !== 'GATEWAY' && context !== 'WAYPOINT';
}

/**
 * By name and type alone: whether a patch could touch a resource that the mesh makes. Never false for one that
 * `patchResource` would match; cheap enough to be asked of every resource.
 */
export function mayTouch(patch: EnvoyFilterPatch, reference: ResourceReference): boolean {
  // What is meant for all listeners is meant for traffic, not for queries: Envoy would refuse most of it in a listener of UDP.
  if (answersDns(reference) && patch.listener?.name !== reference.name) return false;
  return isNamed(patch, reference) && fitsContext(patch, contextOf(reference));
}

function answersDns({ typeUrl, name }: ResourceReference): boolean {
  return typeUrl === typeUrls.listener && (name === dnsListener || name === dnsTcpListener);
}

function isNamed(patch: EnvoyFilterPatch, { typeUrl, name }: ResourceReference): boolean {
  switch (patch.applyTo) {
    case 'CLUSTER':
      return typeUrl === typeUrls.cluster && patch.operation !== 'ADD' && isClusterNamed(patch, name);
    case 'LISTENER':
      return typeUrl === typeUrls.listener && patch.operation !== 'ADD' && isListenerMatched(patch, name);
    case 'LISTENER_FILTER':
    case 'FILTER_CHAIN':
    case 'NETWORK_FILTER':
    case 'HTTP_FILTER':
      return typeUrl === typeUrls.listener && isListenerMatched(patch, name);
    case 'ROUTE_CONFIGURATION':
    case 'VIRTUAL_HOST':
    case 'HTTP_ROUTE':
      if (typeUrl === typeUrls.route) return isRouteConfigurationMatched(patch, name);
      return typeUrl === typeUrls.listener && mayHoldRoutes(patch, name);
    default:
      return false;
  }
}

/** The routes of inbound traffic are part of their listener. */
function mayHoldRoutes({ routeConfiguration: match }: EnvoyFilterPatch, listener: string): boolean {
  if (contextOf({ typeUrl: typeUrls.listener, name: listener }) !== 'SIDECAR_INBOUND') return false;
  return !match?.name || match.name.startsWith('inbound|');
}

/** A match by name leaves every other field aside (Istio's rule). The service of an inbound cluster is not in its name. */
function isClusterNamed({ cluster: match }: EnvoyFilterPatch, name: string): boolean {
  if (!match) return true;
  if (match.name) return match.name === name;
  // Most of what is asked about is another service's, and need not be taken apart.
  if (match.service && !name.endsWith(match.service) && !name.startsWith('inbound|')) return false;
  const { port, subset, host } = parseClusterName(name);
  if (match.portNumber && match.portNumber !== port) return false;
  if (match.subset && match.subset !== subset) return false;
  return !match.service || match.service === host || name.startsWith('inbound|');
}

/** Whether a patch is for this cluster, which `mayTouch` has let through. */
export function isClusterMatched({ cluster: match }: EnvoyFilterPatch, cluster: Cluster): boolean {
  if (!match?.service || match.name || !cluster.name.startsWith('inbound|')) return true;
  const services = cluster.metadata?.filterMetadata.istio?.services;
  return (
    Array.isArray(services) &&
    services.some(
      (service) => typeof service === 'object' && service !== null && !Array.isArray(service) && service.host === match.service,
    )
  );
}

/** On a virtual listener the port is that of a filter chain, except for LISTENER itself (Istio's rule). */
function isListenerMatched({ applyTo, listener: match }: EnvoyFilterPatch, name: string): boolean {
  if (!match) return true;
  if (match.name && !isListenerNamed(name, match.name)) return false;
  if (!match.portNumber || (applyTo !== 'LISTENER' && isVirtual(name))) return true;
  return listenerPort(name) === match.portNumber;
}

/** Whether a patch is for this filter chain of a listener that it is for. */
export function isChainMatched({ listener: match }: EnvoyFilterPatch, listener: string, chain: FilterChain): boolean {
  if (!match) return true;
  const given = chain.filterChainMatch;
  if (isVirtual(listener) && match.portNumber && given?.destinationPort !== match.portNumber) return false;
  const wanted = match.filterChain;
  if (!wanted) return true;
  if (wanted.name && wanted.name !== chain.name) return false;
  if (wanted.sni && !given?.serverNames.includes(wanted.sni)) return false;
  if (wanted.transportProtocol && given?.transportProtocol !== wanted.transportProtocol) return false;
  if (wanted.destinationPort && given?.destinationPort !== wanted.destinationPort) return false;
  const protocols = wanted.applicationProtocols ? wanted.applicationProtocols.split(',') : [];
  return protocols.every((protocol) => given?.applicationProtocols.includes(protocol.trim()));
}

/** The network filter that a patch names, if any. */
export function networkFilterOf({ listener }: EnvoyFilterPatch): string | undefined {
  return listener?.filterChain?.filter?.name;
}

/** The HTTP filter that a patch names, if any. */
export function httpFilterOf({ listener }: EnvoyFilterPatch): string | undefined {
  return listener?.filterChain?.filter?.subFilter?.name;
}

/** Whether a filter goes by the name: its own, or the one that it had before Envoy 1.14. Without a name every filter does. */
export function isFilterNamed(filter: { readonly name: string }, name: string | undefined): boolean {
  return name === undefined || filter.name === name || filter.name === renamedFilters.get(name);
}

/** Whether a patch is for the route configuration of this name. */
export function isRouteConfigurationMatched({ routeConfiguration: match }: EnvoyFilterPatch, name: string): boolean {
  if (match?.name && match.name !== name) return false;
  return !match?.portNumber || match.portNumber === routePort(name);
}

/** Whether a patch is for this virtual host of a route configuration that it is for. */
export function isVirtualHostMatched(
  { routeConfiguration: match }: EnvoyFilterPatch,
  virtualHost: { readonly name: string; readonly domains: readonly string[] },
): boolean {
  const wanted = match?.vhost;
  if (wanted?.name && wanted.name !== virtualHost.name) return false;
  return !wanted?.domainName || virtualHost.domains.includes(wanted.domainName);
}

const actions = { ROUTE: 'route', REDIRECT: 'redirect', DIRECT_RESPONSE: 'directResponse' } as const;

/** Whether a patch is for this route of a virtual host that it is for. */
export function isRouteMatched({ routeConfiguration: match }: EnvoyFilterPatch, route: Route): boolean {
  const wanted = match?.vhost?.route;
  if (!wanted) return true;
  if (wanted.name && wanted.name !== route.name) return false;
  const { action = 'ANY' } = wanted;
  return action === 'ANY' || route.action.case === actions[action];
}
