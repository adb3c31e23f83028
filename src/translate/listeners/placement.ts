import { isIpAddress, isUnixAddress } from '../../api/address.ts';
import { claimKey } from '../../mesh/address-claims.ts';
import { type EgressView, mayBind, type ProxyTraits } from '../../mesh/proxy-view.ts';
import {
  endpointAddresses,
  endpointPort,
  type ListenerProtocol,
  listenerProtocol,
  type Service,
  type ServicePort,
} from '../../mesh/service.ts';
import { isVisibleTo } from '../../mesh/visibility.ts';
import {
  listenerName,
  loopbackAddresses,
  reaches,
  virtualInboundPort,
  virtualOutboundPort,
  wildcardAddresses,
} from '../names.ts';

/** Where one port of a service is listened for. */
export interface Placement {
  /** Names the listener and is its address; further ones are additional addresses. */
  readonly binds: readonly [string, ...string[]];
  readonly port: number;
  /** The proxy binds the port itself; otherwise virtualOutbound hands connections over. */
  readonly bindsToPort: boolean;
  /** The listener is for any address, so its filter chains must tell services apart. */
  readonly isWildcard: boolean;
  /** Destination ranges of this service on a wildcard listener. */
  readonly cidrs: readonly string[];
}

/** The name of the listener at a placement. */
export function placementName(placement: Pick<Placement, 'binds' | 'port'>): string {
  return listenerName(placement.binds[0], placement.port);
}

/** Whether the proxy itself binds an egress listener's ports. */
export function bindsToPort(egress: EgressView, traits: ProxyTraits): boolean {
  const { captureMode, bind } = egress.spec;
  return (
    captureMode === 'NONE' ||
    (captureMode === 'DEFAULT' && traits.interceptionMode === 'NONE') ||
    (bind !== undefined && isUnixAddress(bind))
  );
}

/** How an egress listener treats a service port: by the listener's own protocol where it has a port, never for UDP. */
export function outboundProtocol(egress: EgressView, port: ServicePort): ListenerProtocol {
  const protocol = listenerProtocol(port.protocol);
  return protocol === 'none' || !egress.spec.port ? protocol : listenerProtocol(egress.spec.port.protocol);
}

/** The addresses at which a proxy knows a service: declared ones it can reach, else, where it answers DNS, automatic ones. */
export function serviceAddresses(service: Service, traits: ProxyTraits): readonly string[] {
  const { addresses } = service.spec;
  const candidates = addresses.length ? addresses : traits.capturesDns ? service.automaticAddresses : [];
  return candidates.filter((address) => reaches(traits.ipFamilies, address));
}

/** Whether a proxy of this namespace sees an older service at the address. */
function isLost(service: Service, at: string, namespace: string): boolean {
  return service.lostAddresses.get(at)?.some((holder) => isVisibleTo(holder, namespace)) ?? false;
}

/**
 * The listeners that one port of a service takes part in. Each address has a listener of its own, of a headless service
 * each endpoint's; ranges share the wildcard's.
 */
export function placementsOf(egress: EgressView, service: Service, port: ServicePort, traits: ProxyTraits): readonly Placement[] {
  const own = egress.spec.port;
  const protocol = outboundProtocol(egress, port);
  if (protocol === 'none') return [];
  const base = { port: own?.number ?? port.number, bindsToPort: bindsToPort(egress, traits) };
  const isSocket = egress.spec.bind !== undefined && isUnixAddress(egress.spec.bind);
  if (base.bindsToPort && !isSocket && !mayBind(base.port, traits)) return [];
  if (egress.spec.bind) return [{ ...base, binds: [egress.spec.bind], isWildcard: true, cidrs: [] }];
  if (base.bindsToPort) return [{ ...base, binds: loopbackAddresses(traits.ipFamilies), isWildcard: true, cidrs: [] }];
  // The virtual listeners have these to themselves; Envoy refuses a second listener on one address.
  if (base.port === virtualOutboundPort || base.port === virtualInboundPort) return [];
  const wildcard = wildcardAddresses(traits.ipFamilies);
  if (protocol === 'http') return [{ ...base, binds: wildcard, isWildcard: true, cidrs: [] }];
  // Istio's rule: only the catch-all listener makes listeners for endpoints.
  if (service.spec.isHeadless && !own) return headlessPlacements(service, port, traits);
  const isDeclared = service.spec.addresses.length > 0;
  const addresses = serviceAddresses(service, traits).filter(
    (address) => !isLost(service, claimKey(address, port.number), traits.namespace),
  );
  if (!addresses.length) return isDeclared ? [] : [{ ...base, binds: wildcard, isWildcard: true, cidrs: [] }];
  const cidrs = addresses.filter((address) => address.includes('/'));
  const placements: Placement[] = addresses
    .filter((address) => !address.includes('/'))
    .map((address) => ({ ...base, binds: [address], isWildcard: false, cidrs: [] }));
  if (cidrs.length) placements.push({ ...base, binds: wildcard, isWildcard: true, cidrs });
  return placements;
}

/** The placement of a service port that is called `name`; undefined where it has none. */
export function placementNamed(
  egress: EgressView,
  service: Service,
  port: ServicePort,
  traits: ProxyTraits,
  name: string,
): Placement | undefined {
  const placements = placementsOf(egress, service, port, traits);
  const byName = headlessByName.get(placements);
  return byName ? byName.get(name) : placements.find((placement) => placementName(placement) === name);
}

const headless = new WeakMap<Service, Map<string, readonly Placement[]>>();
/** Each of a headless service's listeners asks for its own placement: a search through all of them would cost their number squared. */
const headlessByName = new WeakMap<readonly Placement[], ReadonlyMap<string, Placement>>();

/**
 * A listener at each address of a headless service's endpoints behind a port, whatever their health: a client may hold
 * a connection to any. The proxy's own is among them, which Istio leaves out: connections to it never leave the workload
 * (docs/adr/0009).
 */
function headlessPlacements(service: Service, port: ServicePort, traits: ProxyTraits): readonly Placement[] {
  const key = `${port.number} ${traits.ipFamilies}`;
  const known = headless.get(service) ?? new Map<string, readonly Placement[]>();
  const before = known.get(key);
  if (before) return before;
  const byName = new Map<string, Placement>();
  for (const endpoint of service.endpoints) {
    if (endpointPort(endpoint, port) <= 0) continue;
    for (const address of endpointAddresses(endpoint)) {
      if (!isIpAddress(address) || !reaches(traits.ipFamilies, address)) continue;
      const placement: Placement = { binds: [address], port: port.number, bindsToPort: false, isWildcard: false, cidrs: [] };
      byName.set(placementName(placement), placement);
    }
  }
  const placements = [...byName.values()];
  headlessByName.set(placements, byName);
  headless.set(service, known.set(key, placements));
  return placements;
}
