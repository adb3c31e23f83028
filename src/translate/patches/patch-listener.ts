import { clone } from '@bufbuild/protobuf';
import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '../../envoy/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  HttpFilterSchema,
} from '../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { editFilters, mergeFilter } from './filter-edits.ts';
import { httpFilterOf, isChainMatched, isFilterNamed, networkFilterOf } from './matches.ts';
import { mergeMessages } from './merge-messages.ts';
import { PartialMessage } from './partial-message.ts';
import { patchInlineRoutes } from './patch-routes.ts';
import { isMerge, mergeOptions, type PatchRun, patchValue } from './patch-run.ts';
import { mergeTransportSocket } from './transport-socket.ts';
import { messageName } from './typed-config.ts';

/**
 * Applies patches to a listener, in Istio's order: the routes inside it, the listener, its listener filters, then chain by chain the
 * chain, its network filters and their HTTP filters (in each list additions and removals first, merges after them), chains added last.
 * Every patch of the run is for this listener by name. Answers undefined where the listener is removed.
 */
export function patchListener(listener: Listener, run: PatchRun): Listener | undefined {
  patchRoutesInside(listener, run);
  const { name } = listener;
  for (const owned of run.of('LISTENER')) {
    const isRemoved = run.try(owned, ({ operation }) => operation === 'REMOVE');
    if (isRemoved) return undefined;
    run.try(owned, (patch) => {
      if (!isMerge(patch)) return false;
      mergeMessages(ListenerSchema, listener, patchValue(patch), mergeOptions(patch));
      // The name is what proxies know the resource by; a patch may not change it.
      listener.name = name;
      return true;
    });
  }
  for (const owned of run.of('LISTENER_FILTER')) run.try(owned, (patch) => patchListenerFilter(listener, patch));
  if (run.has('FILTER_CHAIN', 'NETWORK_FILTER', 'HTTP_FILTER')) patchChains(listener, run);
  return listener;
}

function patchListenerFilter(listener: Listener, patch: EnvoyFilterPatch): boolean {
  const filter = patch.listener?.listenerFilter || undefined;
  if (patch.operation !== 'MERGE') return editFilters(ListenerFilterSchema, listener.listenerFilters, patch, filter);
  if (filter === undefined) return false;
  return listener.listenerFilters.map((one) => mergeFilter(ListenerFilterSchema, one, patch, filter)).some(Boolean);
}

function patchChains(listener: Listener, run: PatchRun): void {
  listener.filterChains = listener.filterChains.filter((chain) => patchChain(listener, chain, run));
  if (listener.defaultFilterChain && !patchChain(listener, listener.defaultFilterChain, run)) {
    listener.defaultFilterChain = undefined;
  }
  for (const owned of run.of('FILTER_CHAIN')) {
    run.try(owned, (patch) => {
      if (patch.operation !== 'ADD') return false;
      listener.filterChains.push(clone(FilterChainSchema, patchValue<FilterChain>(patch)));
      return true;
    });
  }
}

/** Answers whether the chain stays. */
function patchChain(listener: Listener, chain: FilterChain, run: PatchRun): boolean {
  for (const owned of run.of('FILTER_CHAIN')) {
    const { patch } = owned;
    if (patch.operation === 'ADD' || !isChainMatched(patch, listener.name, chain)) continue;
    if (run.try(owned, ({ operation }) => operation === 'REMOVE')) return false;
    run.try(owned, () => isMerge(patch) && mergeChain(chain, patch));
  }
  for (const owned of run.of('NETWORK_FILTER')) {
    if (!isChainMatched(owned.patch, listener.name, chain)) continue;
    run.try(owned, (patch) => editFilters(FilterSchema, chain.filters, patch, networkFilterOf(patch)));
  }
  for (const filter of chain.filters) {
    for (const owned of run.of('NETWORK_FILTER')) {
      const { patch } = owned;
      if (patch.operation !== 'MERGE' || !isChainMatched(patch, listener.name, chain)) continue;
      run.try(owned, () => mergeFilter(FilterSchema, filter, patch, networkFilterOf(patch)));
    }
    patchHttpFilters(listener, chain, filter, run);
  }
  return true;
}

function mergeChain(chain: FilterChain, patch: EnvoyFilterPatch): boolean {
  const rest = clone(FilterChainSchema, patchValue<FilterChain>(patch));
  chain.transportSocket = mergeTransportSocket(chain.transportSocket, rest.transportSocket);
  rest.transportSocket = undefined;
  mergeMessages(FilterChainSchema, chain, rest, mergeOptions(patch));
  return true;
}

/** A connection manager is taken apart only if a patch is for it, and put together again only if one matched. */
function patchHttpFilters(listener: Listener, chain: FilterChain, filter: Filter, run: PatchRun): void {
  const patches = run
    .of('HTTP_FILTER')
    .filter(({ patch }) => isChainMatched(patch, listener.name, chain) && isFilterNamed(filter, networkFilterOf(patch)));
  if (!patches.length) return;
  editConnectionManager(filter, httpFiltersField, (manager) => {
    const filters = manager.httpFilters;
    let isChanged = false;
    for (const owned of patches) {
      if (run.try(owned, (patch) => editFilters(HttpFilterSchema, filters, patch, httpFilterOf(patch)))) isChanged = true;
    }
    for (const one of filters) {
      for (const owned of patches) {
        const { patch } = owned;
        if (patch.operation !== 'MERGE') continue;
        if (run.try(owned, () => mergeFilter(HttpFilterSchema, one, patch, httpFilterOf(patch)))) isChanged = true;
      }
    }
    return isChanged;
  });
}

/** The routes of inbound traffic stand inside of their connection manager. Istio patches them as it makes them, before the listener. */
function patchRoutesInside(listener: Listener, run: PatchRun): void {
  if (!run.has('ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE')) return;
  const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
  for (const filter of chains.flatMap(({ filters }) => filters)) {
    editConnectionManager(
      filter,
      routeConfigField,
      ({ routeSpecifier }) => routeSpecifier.case === 'routeConfig' && patchInlineRoutes(routeSpecifier.value, run),
    );
  }
}

const httpFiltersField = new Set([HttpConnectionManagerSchema.field.httpFilters.number]);
const routeConfigField = new Set([HttpConnectionManagerSchema.field.routeConfig.number]);

/** Changes some fields of a filter that is a connection manager; `edit` answers whether it changed anything. */
function editConnectionManager(
  filter: Filter,
  fields: ReadonlySet<number>,
  edit: (manager: HttpConnectionManager) => boolean,
): void {
  if (filter.configType.case !== 'typedConfig') return;
  const config = filter.configType.value;
  if (messageName(config.typeUrl) !== HttpConnectionManagerSchema.typeName) return;
  const manager = new PartialMessage(HttpConnectionManagerSchema, config.value, fields);
  if (edit(manager.message)) config.value = manager.encode();
}
