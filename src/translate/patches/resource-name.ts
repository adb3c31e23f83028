import { isUnixAddress } from '../../api/address.ts';
import { type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import {
  inboundPassthroughCluster,
  virtualInboundListener,
  virtualInboundPort,
  virtualOutboundListener,
  virtualOutboundPort,
} from '../names.ts';

/** The context of a patch for sidecars, by the direction of the traffic. */
export type SidecarContext = 'SIDECAR_INBOUND' | 'SIDECAR_OUTBOUND';

/** In front of the name of an inbound listener that the proxy binds itself; Istio has none there. */
const boundInbound = 'inbound_';

/** Which direction's traffic a cluster, listener or route configuration is for: its name tells. */
export function contextOf({ typeUrl, name }: ResourceReference): SidecarContext {
  const isInbound =
    typeUrl === typeUrls.listener
      ? name === virtualInboundListener || name.startsWith(boundInbound)
      : name.startsWith('inbound|') || (typeUrl === typeUrls.cluster && name === inboundPassthroughCluster);
  return isInbound ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND';
}

/** Whether a listener takes connections for many ports, each with filter chains of its own. */
export function isVirtual(listener: string): boolean {
  return listener === virtualInboundListener || listener === virtualOutboundListener;
}

/** Whether a listener goes by a name: its own, or the one that Istio gives it. */
export function isListenerNamed(listener: string, name: string): boolean {
  return listener === name || (listener.startsWith(boundInbound) && listener.slice(boundInbound.length) === name);
}

/** The port in a listener's address; undefined for a unix socket. */
export function listenerPort(listener: string): number | undefined {
  if (listener === virtualInboundListener) return virtualInboundPort;
  if (listener === virtualOutboundListener) return virtualOutboundPort;
  const bind = listener.startsWith(boundInbound) ? listener.slice(boundInbound.length) : listener;
  return isUnixAddress(bind) ? undefined : Number(bind.slice(bind.lastIndexOf('_') + 1));
}

/** The port of a route configuration: of `8080` and `inbound|8080||`; 0 for all others, `host:port` among them (Istio's rule). */
export function routePort(name: string): number {
  if (name.startsWith('inbound|')) return parseClusterName(name).port;
  return /^\d+$/.test(name) ? Number(name) : 0;
}

/** What `outbound|443|v1|api.example.com` says; empty and 0 where a name is not of this form. */
export interface ClusterParts {
  readonly port: number;
  readonly subset: string;
  readonly host: string;
}

/** Takes a cluster's name apart. */
export function parseClusterName(name: string): ClusterParts {
  const parts = name.split('|');
  if (parts.length !== 4) return { port: 0, subset: '', host: '' };
  return { port: Number(parts[1]), subset: parts[2]!, host: parts[3]! };
}
