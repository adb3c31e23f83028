import { type Resource, type ResourceReference, type TypeUrl, typeUrls } from '../envoy/resource.ts';
import type { ProxyView } from '../mesh/proxy-view.ts';
import type { ScopeChange } from '../mesh/scope.ts';
import type { Service } from '../mesh/service.ts';
import { buildTarget } from './build-target.ts';
import { buildFixedResources } from './fixed-resources.ts';
import { servesDns } from './listeners/dns-listeners.ts';
import { Membership } from './membership.ts';
import { dnsListener } from './names.ts';
import { isDns, type Target, targetsOf } from './targets.ts';

const dnsTarget = { typeUrl: typeUrls.listener, name: dnsListener } as const;

/** What a patch did: resources computed anew (their bytes may be the same), and names that nothing calls for any more. */
export interface ResourcePatch {
  readonly computed: readonly Resource[];
  readonly removed: readonly ResourceReference[];
  /** Resources that could not be computed: what was served before goes on being served. */
  readonly failed: readonly { readonly resource: ResourceReference; readonly error: unknown }[];
}

/**
 * Which services take part in which resource of one view, so that a changed service costs its own resources only.
 * Where several egress listeners want the same resource, the first one has it: Istio's rule for a port that an
 * earlier listener of a Sidecar has claimed. Routes exist only as long as a listener asks for them.
 */
export class ResourceSet {
  readonly #view: ProxyView;
  readonly #memberships = new Map<string, Membership>();
  /** By route name, the listeners that ask for it; and by listener, the names it asks for. */
  readonly #askedBy = new Map<string, Set<string>>();
  readonly #asksFor = new Map<string, readonly string[]>();

  constructor(view: ProxyView) {
    this.#view = view;
    if (servesDns(view.traits)) this.#memberships.set(keyOf(dnsTarget), new Membership(dnsTarget.typeUrl, dnsTarget.name));
    view.egress.forEach((egress, index) => {
      for (const service of egress.services.values())
        for (const target of targetsOf(view, index, service)) this.#join(target, service);
    });
  }

  /** Every resource of the view, as a patch to nothing. */
  build(): ResourcePatch {
    const patch = this.#computeAll(new Set(this.#memberships.keys()));
    return { ...patch, computed: [...buildFixedResources(this.#view), ...patch.computed] };
  }

  /** Takes changed services in; answers the resources that they touch. */
  patch(changes: readonly ScopeChange[]): ResourcePatch {
    const touched = new Set<string>();
    for (const { egress, before, after } of changes) {
      const left = new Set<string>();
      for (const target of before ? targetsOf(this.#view, egress, before) : []) {
        left.add(keyOf(target));
        this.#leave(target, before!);
      }
      const isMove = before && after && before.spec === after.spec && sameNames(before, after);
      for (const target of after ? targetsOf(this.#view, egress, after) : []) {
        const stays = left.delete(keyOf(target));
        if (!isMove || !stays || dependsOnEndpoints(target)) touched.add(keyOf(target));
        this.#join(target, after!);
      }
      for (const key of left) touched.add(key);
    }
    return this.#computeAll(touched);
  }

  /** Listeners first: they decide which routes are asked for. */
  #computeAll(keys: Set<string>): ResourcePatch {
    const computed: Resource[] = [];
    const removed: ResourceReference[] = [];
    const failed: { resource: ResourceReference; error: unknown }[] = [];
    const settle = (key: string) => {
      const reference = parseKey(key);
      const { typeUrl, name } = reference;
      const membership = this.#memberships.get(key);
      const isAskedFor = typeUrl !== typeUrls.route || this.#askedBy.has(name);
      let resource: Resource | undefined;
      try {
        resource = membership && isAskedFor ? this.#compute(membership) : undefined;
      } catch (error) {
        failed.push({ resource: reference, error });
        return;
      }
      if (typeUrl === typeUrls.listener) {
        for (const route of this.#noteRoutes(name, resource)) keys.add(keyOf({ typeUrl: typeUrls.route, name: route }));
      }
      if (resource) computed.push(resource);
      else removed.push(reference);
    };
    const isListener = (key: string) => key.startsWith(typeUrls.listener);
    for (const key of [...keys].filter(isListener)) settle(key);
    for (const key of keys) if (!isListener(key)) settle(key);
    return { computed, removed, failed };
  }

  /** Remembers what a listener asks for; answers the routes that are asked for now and were not, or are no longer. */
  #noteRoutes(listener: string, resource: Resource | undefined): string[] {
    const before = this.#asksFor.get(listener) ?? [];
    const now = (resource?.requires ?? []).filter(({ typeUrl }) => typeUrl === typeUrls.route).map(({ name }) => name);
    const changed: string[] = [];
    for (const route of before) {
      const askers = this.#askedBy.get(route);
      if (now.includes(route) || !askers?.delete(listener) || askers.size) continue;
      this.#askedBy.delete(route);
      changed.push(route);
    }
    for (const route of now) {
      const askers = this.#askedBy.get(route);
      if (askers) askers.add(listener);
      else {
        this.#askedBy.set(route, new Set([listener]));
        changed.push(route);
      }
    }
    if (now.length) this.#asksFor.set(listener, now);
    else this.#asksFor.delete(listener);
    return changed;
  }

  #compute(membership: Membership): Resource | undefined {
    const { typeUrl, name } = membership;
    if (isDns(membership)) return buildTarget(this.#view, { typeUrl, name, egress: 0 }, membership.all());
    const { egress, services } = membership.first();
    return buildTarget(this.#view, { typeUrl, name, egress }, services);
  }

  #join(target: Target, service: Service): void {
    const key = keyOf(target);
    let membership = this.#memberships.get(key);
    if (!membership) {
      membership = new Membership(target.typeUrl, target.name);
      this.#memberships.set(key, membership);
    }
    membership.join(target.egress, service);
  }

  #leave(target: Target, service: Service): void {
    const key = keyOf(target);
    const isEmpty = this.#memberships.get(key)?.leave(target.egress, service.spec.hostname);
    // A proxy that answers DNS does so for whatever it knows, be it nothing.
    if (isEmpty && !isDns(target)) this.#memberships.delete(key);
  }
}

/** A listener or route stands still while endpoints move (a headless service's listeners come and go with them, as a whole). */
function dependsOnEndpoints(target: Target): boolean {
  return target.typeUrl === typeUrls.cluster || target.typeUrl === typeUrls.endpoint;
}

/** Whether clients call two states of a service by the same names and addresses. */
function sameNames(a: Service, b: Service): boolean {
  return (
    a.aliases.length === b.aliases.length &&
    a.aliases.every((alias, index) => alias === b.aliases[index]) &&
    a.automaticAddresses.join() === b.automaticAddresses.join() &&
    a.lostAddresses.size === b.lostAddresses.size &&
    [...a.lostAddresses].every(([at, holders]) => {
      const others = b.lostAddresses.get(at) ?? [];
      return holders.length === others.length && holders.every((holder, index) => holder === others[index]);
    })
  );
}

function keyOf(target: Pick<Target, 'typeUrl' | 'name'>): string {
  return `${target.typeUrl} ${target.name}`;
}

function parseKey(key: string): { typeUrl: TypeUrl; name: string } {
  const space = key.indexOf(' ');
  return { typeUrl: key.slice(0, space) as TypeUrl, name: key.slice(space + 1) };
}
