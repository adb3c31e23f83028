import { pushOrder, type Resource, type TypeUrl } from '../envoy/resource.ts';
import { type ProxyNode, proxyName } from '../mesh/proxy.ts';
import type { ProxySession } from './session/proxy-session.ts';
import type { TypeState } from './session/type-state.ts';
import type { Variant } from './wire/encode-response.ts';

/** One connected proxy, as `weft proxy-status` lists it. */
export interface ProxyReport {
  /** `namespace/name`. */
  readonly proxy: string;
  readonly node: ProxyNode;
  readonly classKey: string;
  readonly transport: Variant;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  readonly types: readonly TypeReport[];
}

/** A proxy's standing in one type. */
export interface TypeReport {
  readonly typeUrl: TypeUrl;
  /** The wildcard, or how many names. */
  readonly subscribed: '*' | number;
  /** The class revision last sent and last acknowledged; -1: none. */
  readonly sentRevision: number;
  readonly ackedRevision: number;
  readonly state: TypeStanding;
  /** What the proxy said in its last refusal, while nothing newer is accepted. */
  readonly lastError?: string;
  /** The resources it refuses at present. */
  readonly rejected: readonly string[];
}

/** `not sent`: subscribed, and nothing was written yet; `stale`: something is not yet acknowledged. */
export type TypeStanding = 'not subscribed' | 'not sent' | 'stale' | 'rejected' | 'synced';

/** Tells how one proxy stands. */
export function reportProxy(session: ProxySession): ProxyReport {
  const { node, proxyClass, variant, connectedAt } = session;
  const types = pushOrder.map((typeUrl) => reportType(session.types[typeUrl]));
  return { proxy: proxyName(node), node, classKey: proxyClass.key, transport: variant, connectedAt, types };
}

/** What the proxy is given, by type: its class's resources as far as it is subscribed. */
export function resourcesOf(session: ProxySession): ReadonlyMap<TypeUrl, readonly Resource[]> {
  const held = pushOrder.map((typeUrl): [TypeUrl, Resource[]] => {
    const { subscription } = session.types[typeUrl];
    const table = session.proxyClass.table(typeUrl);
    return [typeUrl, [...table.values()].filter(({ name }) => subscription.includes(name))];
  });
  return new Map(held);
}

function reportType(state: TypeState): TypeReport {
  const { typeUrl, subscription, sentRevision, ackedRevision, lastError } = state;
  return {
    typeUrl,
    subscribed: subscription.wildcard ? '*' : subscription.names.size,
    sentRevision,
    ackedRevision,
    state: standingOf(state),
    lastError,
    rejected: [...state.rejections.values()].map(({ resource }) => resource),
  };
}

function standingOf(state: TypeState): TypeStanding {
  if (!state.subscription.active) return 'not subscribed';
  if (state.rejections.size > 0) return 'rejected';
  if (state.idle) return 'synced';
  return state.sentRevision < 0 ? 'not sent' : 'stale';
}
