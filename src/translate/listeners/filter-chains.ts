import { create } from '@bufbuild/protobuf';
import type { CidrRange } from '../../envoy/gen/envoy/config/core/v3/address_pb.js';
import { CidrRangeSchema } from '../../envoy/gen/envoy/config/core/v3/address_pb.js';
import type { TransportSocket } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import {
  type Filter,
  type FilterChain,
  type FilterChainMatch,
  FilterChainMatchSchema,
  FilterChainSchema,
} from '../../envoy/gen/envoy/config/listener/v3/listener_components_pb.js';

/** What plaintext HTTP is recognised by: what Envoy's HTTP inspector sets. */
const plaintextHttp = ['http/1.0', 'http/1.1', 'h2c'];

/** A filter chain before it is told apart from its siblings. */
export interface ChainDraft {
  /** Name, where Istio gives it one. */
  readonly name?: string;
  readonly filter: Filter;
  /** Only plaintext HTTP. */
  readonly isHttpOnly?: boolean;
  readonly serverNames?: readonly string[];
  readonly cidrs?: readonly string[];
  readonly destinationPort?: number;
  /** Ends TLS before the filter; default: the connection comes as it is. */
  readonly transportSocket?: TransportSocket;
}

/** The chains of a listener: those that match something, and the one for everything else. */
export interface Chains {
  readonly matching: readonly FilterChain[];
  readonly fallback: FilterChain | undefined;
  readonly needsTlsInspector: boolean;
  readonly needsHttpInspector: boolean;
}

/** Envoy refuses two chains with the same match: the first draft keeps it. A draft that matches everything is the fallback. */
export function assembleChains(drafts: readonly ChainDraft[]): Chains {
  const taken = new Set<string>();
  const matching: FilterChain[] = [];
  let fallback: FilterChain | undefined;
  let needsTlsInspector = false;
  let needsHttpInspector = false;
  for (const draft of drafts) {
    const free = withoutTaken(draft, taken);
    if (!free) continue;
    const match = matchOf(free);
    const chain = create(FilterChainSchema, {
      ...(draft.name ? { name: draft.name } : {}),
      filters: [draft.filter],
      ...(draft.transportSocket ? { transportSocket: draft.transportSocket } : {}),
      ...(match ? { filterChainMatch: match } : {}),
    });
    needsTlsInspector ||= Boolean(free.serverNames?.length);
    needsHttpInspector ||= free.isHttpOnly === true;
    if (match) matching.push(chain);
    else fallback = chain;
  }
  return { matching, fallback, needsTlsInspector, needsHttpInspector };
}

/** What of a draft's match no earlier draft has: undefined where nothing is left. Server names are claimed one by one. */
function withoutTaken(draft: ChainDraft, taken: Set<string>): ChainDraft | undefined {
  const base = `${draft.isHttpOnly ? 'http' : ''}|${[...(draft.cidrs ?? [])].sort().join(',')}|${draft.destinationPort ?? ''}`;
  const names = draft.serverNames?.length ? draft.serverNames : [''];
  const free = names.filter((name) => !taken.has(`${base}|${name}`));
  for (const name of free) taken.add(`${base}|${name}`);
  if (!free.length) return undefined;
  return draft.serverNames?.length ? { ...draft, serverNames: free } : draft;
}

function matchOf(draft: ChainDraft): FilterChainMatch | undefined {
  const { serverNames = [], cidrs = [], isHttpOnly = false, destinationPort } = draft;
  if (!serverNames.length && !cidrs.length && !isHttpOnly && destinationPort === undefined) return undefined;
  return create(FilterChainMatchSchema, {
    serverNames: [...serverNames].sort(),
    prefixRanges: [...cidrs].sort().map(cidrRange),
    ...(isHttpOnly ? { applicationProtocols: plaintextHttp, transportProtocol: 'raw_buffer' } : {}),
    ...(destinationPort === undefined ? {} : { destinationPort }),
  });
}

function cidrRange(cidr: string): CidrRange {
  const [addressPrefix = '', length] = cidr.split('/');
  return create(CidrRangeSchema, { addressPrefix, prefixLen: Number(length) });
}
