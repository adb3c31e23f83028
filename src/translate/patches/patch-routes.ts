import { clone, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  type Route,
  RouteSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '../../envoy/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../envoy/gen/envoy/config/route/v3/route_pb.js';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { insertAfter, insertBefore } from './list-edits.ts';
import { isRouteConfigurationMatched, isRouteMatched, isVirtualHostMatched } from './matches.ts';
import { mergeMessages } from './merge-messages.ts';
import { isMerge, mergeOptions, type OwnedPatch, type PatchRun, patchValue } from './patch-run.ts';
import { VirtualHostSlot } from './virtual-host-slot.ts';
import { readFields } from './wire-fields.ts';

/** RouteConfiguration's `virtual_hosts`. */
const virtualHostsField = 2;

/**
 * Applies patches to a serialised route configuration; answers its new bytes, undefined where nothing matched. Virtual hosts that no
 * patch is for are taken over as they are, unread.
 */
export function patchRoutes(bytes: Uint8Array, run: PatchRun): Uint8Array | undefined {
  const head = new BinaryWriter();
  const slots: VirtualHostSlot[] = [];
  for (const { number, content, raw } of readFields(bytes)) {
    if (number === virtualHostsField) slots.push(new VirtualHostSlot(content));
    else head.raw(raw);
  }
  const patcher = new RoutePatcher(fromBinary(RouteConfigurationSchema, head.finish()), slots, run);
  if (!patcher.patch()) return undefined;
  const writer = new BinaryWriter().raw(toBinary(RouteConfigurationSchema, patcher.routes));
  for (const slot of patcher.slots) writer.tag(virtualHostsField, WireType.LengthDelimited).bytes(slot.encode());
  return writer.finish();
}

/** The same for a route configuration inside a listener, in place; answers whether a patch matched. */
export function patchInlineRoutes(routes: RouteConfiguration, run: PatchRun): boolean {
  const slots = routes.virtualHosts.map((virtualHost) => new VirtualHostSlot(virtualHost));
  routes.virtualHosts = [];
  const patcher = new RoutePatcher(routes, slots, run);
  const isMatched = patcher.patch();
  routes.virtualHosts = patcher.slots.map((slot) => slot.open());
  return isMatched;
}

/** One route configuration under patches. Its virtual hosts stand beside it, in slots. */
class RoutePatcher {
  readonly routes: RouteConfiguration;
  slots: VirtualHostSlot[];
  readonly #run: PatchRun;
  #isMatched = false;

  constructor(routes: RouteConfiguration, slots: VirtualHostSlot[], run: PatchRun) {
    this.routes = routes;
    this.slots = slots;
    this.#run = run;
  }

  /** Merges into the configuration, then goes through its virtual hosts, then adds some (Istio's order). */
  patch(): boolean {
    const { name } = this.routes;
    const fits = ({ patch }: OwnedPatch) => isRouteConfigurationMatched(patch, name);
    for (const owned of this.#run.of('ROUTE_CONFIGURATION').filter(fits)) this.#try(owned, (patch) => this.#merge(patch));
    const hostPatches = this.#run.of('VIRTUAL_HOST').filter(fits);
    const routePatches = this.#run.of('HTTP_ROUTE').filter(fits);
    if (hostPatches.length || routePatches.length) {
      this.slots = this.slots.filter((slot) => this.#patchVirtualHost(slot, hostPatches, routePatches));
    }
    for (const owned of hostPatches) {
      this.#try(owned, (patch) => {
        if (patch.operation !== 'ADD') return false;
        this.slots.push(new VirtualHostSlot(clone(VirtualHostSchema, patchValue<VirtualHost>(patch))));
        return true;
      });
    }
    return this.#isMatched;
  }

  #try(owned: OwnedPatch, change: (patch: EnvoyFilterPatch) => boolean): boolean {
    const isMatch = this.#run.try(owned, change);
    this.#isMatched ||= isMatch;
    return isMatch;
  }

  #merge(patch: EnvoyFilterPatch): boolean {
    if (!isMerge(patch)) return false;
    const { routes } = this;
    const { name } = routes;
    mergeMessages(RouteConfigurationSchema, routes, patchValue(patch), mergeOptions(patch));
    // The name is what proxies know the resource by; a patch may not change it.
    routes.name = name;
    const added = routes.virtualHosts.map((virtualHost) => new VirtualHostSlot(virtualHost));
    routes.virtualHosts = [];
    if (mergeOptions(patch).replacesLists && added.length) this.slots = added;
    else this.slots.push(...added);
    return true;
  }

  /** Answers whether the virtual host stays. */
  #patchVirtualHost(slot: VirtualHostSlot, hostPatches: readonly OwnedPatch[], routePatches: readonly OwnedPatch[]): boolean {
    for (const owned of hostPatches) {
      const { patch } = owned;
      if (patch.operation === 'ADD' || !isVirtualHostMatched(patch, slot)) continue;
      if (this.#try(owned, ({ operation }) => operation === 'REMOVE')) return false;
      this.#try(owned, () => {
        if (patch.operation === 'REPLACE') slot.replace(clone(VirtualHostSchema, patchValue<VirtualHost>(patch)));
        else if (!isMerge(patch)) return false;
        else mergeMessages(VirtualHostSchema, slot.open(), patchValue(patch), mergeOptions(patch));
        return true;
      });
    }
    // Asked again: a patch may have changed the name or the domains.
    const patches = routePatches.filter(({ patch }) => isVirtualHostMatched(patch, slot));
    if (patches.length) this.#patchHttpRoutes(slot.open(), patches);
    return true;
  }

  /** Removes and merges route by route, then puts new routes in (Istio's order). */
  #patchHttpRoutes(virtualHost: VirtualHost, patches: readonly OwnedPatch[]): void {
    virtualHost.routes = virtualHost.routes.filter((route) => {
      for (const owned of patches) {
        if (!isRouteMatched(owned.patch, route)) continue;
        if (this.#try(owned, ({ operation }) => operation === 'REMOVE')) return false;
        this.#try(owned, (patch) => {
          if (!isMerge(patch)) return false;
          mergeMessages(RouteSchema, route, patchValue(patch), mergeOptions(patch));
          return true;
        });
      }
      return true;
    });
    for (const owned of patches) this.#try(owned, (patch) => insertRoute(virtualHost.routes, patch));
  }
}

/** ADD and INSERT_* on the routes of a virtual host. INSERT_FIRST with a route in its match wants that route to be there (Istio's rule). */
function insertRoute(routes: Route[], patch: EnvoyFilterPatch): boolean {
  const isNamed = patch.routeConfiguration?.vhost?.route !== undefined;
  const matches = (route: Route) => isRouteMatched(patch, route);
  const copy = () => clone(RouteSchema, patchValue<Route>(patch));
  switch (patch.operation) {
    case 'INSERT_BEFORE':
      if (isNamed) return insertBefore(routes, matches, copy());
      break;
    case 'INSERT_AFTER':
      if (isNamed) return insertAfter(routes, matches, copy());
      break;
    case 'INSERT_FIRST':
      if (isNamed && !routes.some(matches)) return false;
      break;
    case 'ADD':
      break;
    default:
      return false;
  }
  if (patch.operation === 'ADD' || patch.operation === 'INSERT_AFTER') routes.push(copy());
  else routes.unshift(copy());
  return true;
}
