import type { Resource, ResourceReference, TypeUrl } from '../../envoy/resource.ts';
import { pushOrder, typeUrls } from '../../envoy/resource.ts';
import type { Mesh } from '../../mesh/mesh.ts';
import { type ObjectKey, parseObjectKey } from '../../mesh/object-key.ts';
import { composeView, type InboundInstance, type ProxyTraits, type ProxyView } from '../../mesh/proxy-view.ts';
import { Scope } from '../../mesh/scope.ts';
import type { Service } from '../../mesh/service.ts';
import type { Sidecar } from '../../mesh/sidecar.ts';
import type { Logger } from '../../runtime/logger.ts';
import { inboundClusterName, virtualInboundListener } from '../../translate/names.ts';
import { type ResourcePatch, ResourceSet } from '../../translate/resource-set.ts';
import { targetsOf } from '../../translate/targets.ts';

/** What the proxies of a base have in common. */
export interface BaseTraits {
  readonly key: string;
  readonly proxy: ProxyTraits;
  readonly inbound: readonly InboundInstance[];
}

/** How a base differs from what it was. */
export interface BaseChange {
  /** Computed anew; their bytes may be the same. */
  readonly computed: readonly Resource[];
  /** As they last were. */
  readonly removed: readonly Resource[];
}

/** It does not differ. */
export const noChange: BaseChange = { computed: [], removed: [] };

/** What bases are told of the mesh that they are kept in step with. */
export interface MeshStep {
  /** The mesh's revision as of the last refresh: whatever has not been touched since is as good as computed at it. */
  readonly revision: number;
}

/**
 * What proxies of the same traits under the same Sidecar get as long as no EnvoyFilter says otherwise: computed from the mesh, patched as the
 * mesh changes. Every class of such proxies stands on it; a change is computed here once for all of them.
 */
export class ClassBase {
  readonly key: string;
  readonly #mesh: Mesh;
  readonly #logger: Logger;
  readonly #traits: BaseTraits;
  readonly #resources: ReadonlyMap<TypeUrl, Map<string, Resource>>;
  /** Resources that could not be computed: whoever they derive from has not been delivered. */
  readonly #failed = new Set<string>();
  /** Something could not be computed, so the next refresh computes the base as a whole. */
  isBroken = false;
  #sidecar: Sidecar | undefined;
  #scope!: Scope;
  #view!: ProxyView;
  #set!: ResourceSet;
  /** The mesh's revision when the base was made, which may be ahead of the refresh that is due. */
  readonly madeAtRevision: number;
  readonly #step: MeshStep;

  /** @param logger told of resources that could not be computed */
  constructor(mesh: Mesh, step: MeshStep, traits: BaseTraits, sidecar: Sidecar | undefined, logger: Logger) {
    this.#step = step;
    this.#logger = logger;
    this.key = traits.key;
    this.#mesh = mesh;
    this.#traits = traits;
    this.madeAtRevision = mesh.revision;
    this.#resources = new Map(pushOrder.map((typeUrl) => [typeUrl, new Map()]));
    this.#shape(sidecar);
    this.#take(this.#set.build());
  }

  /** The mesh revision that the resources reflect, at least: what a refresh that is due changes yet must be newer than what is here. */
  get revision(): number {
    return this.#step.revision;
  }

  /** The Sidecar in force, as of the last time the base took its shape; undefined: Istio's default scope. */
  get sidecar(): Sidecar | undefined {
    return this.#sidecar;
  }

  /** The namespaces whose objects may have a part in the base, or in a class on it; `*`: all. */
  reach(): Set<string> {
    const { proxy, inbound } = this.#traits;
    const reached = new Set([proxy.namespace, this.#mesh.config.rootNamespace]);
    for (const { spec } of this.#scope.egress) for (const { namespace } of spec.hosts) reached.add(namespace);
    for (const { service } of inbound) reached.add(parseObjectKey(service.spec.owner).namespace);
    return reached;
  }

  /** What there is of a type, by name. */
  resources(typeUrl: TypeUrl): ReadonlyMap<string, Resource> {
    return this.#resources.get(typeUrl)!;
  }

  /** Whether the resource could not be computed: proxies keep what they have, if they have it. */
  isFailed({ typeUrl, name }: ResourceReference): boolean {
    return this.#failed.size > 0 && this.#failed.has(`${typeUrl} ${name}`);
  }

  /**
   * Brings the base up to the mesh's revision.
   * @param hosts hosts whose services may differ
   */
  refresh(hosts: ReadonlySet<string>): BaseChange {
    const changes = this.#scope.update(hosts);
    return changes.length ? this.#take(this.#set.patch(changes)) : noChange;
  }

  /** Computes everything anew, under a changed Sidecar or mesh config or after a failure. */
  reshape(sidecar: Sidecar | undefined): BaseChange {
    this.#failed.clear();
    this.isBroken = false;
    this.#shape(sidecar);
    const patch = this.#set.build();
    const kept = new Map<TypeUrl, Set<string>>(pushOrder.map((typeUrl) => [typeUrl, new Set()]));
    for (const { resource } of patch.failed) kept.get(resource.typeUrl)!.add(resource.name);
    for (const { typeUrl, name } of patch.computed) kept.get(typeUrl)!.add(name);
    const removed: ResourceReference[] = [];
    for (const [typeUrl, resources] of this.#resources) {
      for (const name of resources.keys()) if (!kept.get(typeUrl)!.has(name)) removed.push({ typeUrl, name });
    }
    return this.#take({ ...patch, removed });
  }

  /** The resources that an object has a part in, those that could not be computed among them. */
  *resourcesOf(object: ObjectKey): Generator<ResourceReference> {
    if (object === this.#sidecar?.key) {
      yield* this.#shapedBy(object);
      return;
    }
    const fragment = this.#mesh.get(object);
    if (fragment?.kind === 'sidecar' || fragment?.kind === 'envoyFilter') return;
    const specs =
      fragment?.kind === 'workload' ? this.#mesh.services.selecting(fragment.workload) : this.#mesh.services.specsOf(object);
    for (const { hostname } of specs) {
      for (const [index, egress] of this.#view.egress.entries()) {
        const service = egress.services.get(hostname);
        if (!service || !derivesFrom(service, object)) continue;
        for (const target of targetsOf(this.#view, index, service)) {
          if (service.spec.owner === object || this.#derives(target, object)) yield target;
        }
      }
    }
    for (const { service, targetPort } of this.#traits.inbound) {
      if (service.spec.owner !== object) continue;
      const fixed = [
        { typeUrl: typeUrls.cluster, name: inboundClusterName(targetPort) },
        { typeUrl: typeUrls.listener, name: virtualInboundListener },
      ];
      for (const each of fixed) if (this.#derives(each, object)) yield each;
    }
  }

  /** A Sidecar says which services there are, and by that what listeners and routes say; what an outbound cluster says it has no part in. */
  *#shapedBy(sidecar: ObjectKey): Generator<ResourceReference> {
    yield* this.resources(typeUrls.listener).values();
    yield* this.resources(typeUrls.route).values();
    for (const cluster of this.resources(typeUrls.cluster).values()) if (cluster.provenance.includes(sidecar)) yield cluster;
  }

  #derives({ typeUrl, name }: ResourceReference, object: ObjectKey): boolean {
    return this.#resources.get(typeUrl)!.get(name)?.provenance.includes(object) ?? false;
  }

  #shape(sidecar: Sidecar | undefined): void {
    const { proxy, inbound } = this.#traits;
    this.#sidecar = sidecar;
    this.#scope = new Scope(this.#mesh, proxy.namespace, sidecar);
    const { config } = this.#mesh;
    this.#view = composeView({ traits: proxy, config, egress: this.#scope.egress, inbound, sidecar });
    this.#set = new ResourceSet(this.#view);
  }

  #take({ computed, removed, failed }: ResourcePatch): BaseChange {
    this.#tellFailures(failed);
    const changed: Resource[] = [];
    for (const resource of computed) {
      const resources = this.#resources.get(resource.typeUrl)!;
      if (resources.get(resource.name) === resource) continue;
      resources.set(resource.name, resource);
      changed.push(resource);
    }
    const gone: Resource[] = [];
    for (const { typeUrl, name } of removed) {
      const resources = this.#resources.get(typeUrl)!;
      const resource = resources.get(name);
      if (!resource) continue;
      resources.delete(name);
      gone.push(resource);
    }
    return changed.length || gone.length ? { computed: changed, removed: gone } : noChange;
  }

  #tellFailures(failed: ResourcePatch['failed']): void {
    for (const { resource, error } of failed) {
      this.isBroken = true;
      this.#failed.add(`${resource.typeUrl} ${resource.name}`);
      this.#logger.error('A resource could not be computed; proxies keep what they have', {
        ...resource,
        class: this.key,
        error,
      });
    }
  }
}

function derivesFrom(service: Service, object: ObjectKey): boolean {
  return service.spec.owner === object || service.endpoints.some((endpoint) => endpoint.owner === object);
}
