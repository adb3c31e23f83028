import type { Resource, TypeUrl } from '../envoy/resource.ts';
import { pushOrder, typeUrls } from '../envoy/resource.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { composeView, type InboundInstance, type ProxyTraits, type ProxyView } from '../mesh/proxy-view.ts';
import { Scope } from '../mesh/scope.ts';
import type { Service } from '../mesh/service.ts';
import type { Sidecar } from '../mesh/sidecar.ts';
import type { Logger } from '../runtime/logger.ts';
import { buildEmptyEndpoints } from '../translate/endpoints.ts';
import { inboundClusterName, virtualInboundListener } from '../translate/names.ts';
import { type ResourcePatch, ResourceSet } from '../translate/resource-set.ts';
import { targetsOf } from '../translate/targets.ts';
import type { ObjectFootprint, ProxyClass } from './proxy-class.ts';
import { ResourceTable } from './resource-table.ts';

/** What the members of a class have in common. */
export interface ClassTraits {
  readonly key: string;
  readonly proxy: ProxyTraits;
  readonly inbound: readonly InboundInstance[];
}

/** How many objects that are gone a class remembers, for telling when their last resource was dropped. */
const forgetAbove = 4096;

/** A class of proxies computed from the mesh, patched as the mesh changes. */
export class MeshClass implements ProxyClass {
  readonly key: string;
  readonly #mesh: Mesh;
  readonly #logger: Logger;
  readonly #traits: ClassTraits;
  readonly #tables: ReadonlyMap<TypeUrl, ResourceTable>;
  readonly #createdAtRevision: number;
  /** By object, and type, the revision at which the object's own change last altered bytes; absent: since the class was made. */
  readonly #required = new Map<ObjectKey, Map<TypeUrl, number>>();
  #requiredLog: { revision: number; object: ObjectKey }[] = [];
  /** Resources that could not be computed: whoever they derive from has not been delivered. */
  readonly #failed = new Set<string>();
  /** Something could not be computed, so the next refresh computes the class as a whole. */
  isBroken = false;
  #sidecar: Sidecar | undefined;
  #scope!: Scope;
  #view!: ProxyView;
  #set!: ResourceSet;
  #revision: number;

  /** @param logger told of resources that could not be computed */
  constructor(mesh: Mesh, traits: ClassTraits, sidecar: Sidecar | undefined, logger: Logger) {
    this.#logger = logger;
    this.key = traits.key;
    this.#mesh = mesh;
    this.#traits = traits;
    this.#revision = mesh.revision;
    this.#createdAtRevision = mesh.revision;
    this.#tables = new Map(pushOrder.map((typeUrl) => [typeUrl, new ResourceTable(typeUrl, mesh.revision)]));
    this.#shape(sidecar);
    const { computed, failed } = this.#set.build();
    for (const resource of computed) this.table(resource.typeUrl).set(resource, mesh.revision);
    this.#tellFailures(failed);
  }

  get revision(): number {
    return this.#revision;
  }

  /** The Sidecar in force, as of the last time the class took its shape; undefined: Istio's default scope. */
  get sidecar(): Sidecar | undefined {
    return this.#sidecar;
  }

  get sidecarKey(): ObjectKey | undefined {
    return this.#sidecar?.key;
  }

  table(typeUrl: TypeUrl): ResourceTable {
    return this.#tables.get(typeUrl)!;
  }

  emptyEndpoints(name: string): Resource {
    return buildEmptyEndpoints(name);
  }

  /**
   * Brings the class up to the mesh's revision.
   * @param hosts hosts whose services may differ
   * @param objects the objects behind the change: only they are to wait for acknowledgement again
   * @returns whether any resource changed or went
   */
  refresh(hosts: ReadonlySet<string>, objects: ReadonlySet<ObjectKey>): boolean {
    this.#revision = this.#mesh.revision;
    const { computed, removed, failed } = this.#set.patch(this.#scope.update(hosts));
    this.#tellFailures(failed);
    let isChanged = false;
    for (const resource of computed) isChanged = this.#put(resource, objects) || isChanged;
    for (const { typeUrl, name } of removed) isChanged = this.#delete(typeUrl, name, objects) || isChanged;
    return isChanged;
  }

  /** Computes everything anew, under a changed Sidecar or mesh config or after a failure; what comes out the same bytes is not touched. */
  reshape(sidecar: Sidecar | undefined, objects: ReadonlySet<ObjectKey>): boolean {
    this.#revision = this.#mesh.revision;
    this.#failed.clear();
    this.#shape(sidecar);
    const { computed, failed } = this.#set.build();
    this.#tellFailures(failed);
    const kept = new Map<TypeUrl, Set<string>>(pushOrder.map((typeUrl) => [typeUrl, new Set()]));
    let isChanged = false;
    for (const { resource } of failed) kept.get(resource.typeUrl)!.add(resource.name);
    for (const resource of computed) {
      kept.get(resource.typeUrl)!.add(resource.name);
      isChanged = this.#put(resource, objects) || isChanged;
    }
    for (const [typeUrl, table] of this.#tables) {
      for (const { name } of [...table.values()]) {
        if (!kept.get(typeUrl)!.has(name)) isChanged = this.#delete(typeUrl, name, objects) || isChanged;
      }
    }
    return isChanged;
  }

  footprint(object: ObjectKey): ObjectFootprint | undefined {
    const names = new Map<TypeUrl, Set<string>>();
    for (const { typeUrl, name } of this.#resourcesOf(object)) {
      if (!this.table(typeUrl).get(name) && !this.#failed.has(`${typeUrl} ${name}`)) continue;
      const known = names.get(typeUrl);
      if (known) known.add(name);
      else names.set(typeUrl, new Set([name]));
    }
    const changed = this.#required.get(object);
    if (!names.size && !changed) return undefined;
    const required = new Map(changed);
    for (const typeUrl of names.keys()) if (!required.has(typeUrl)) required.set(typeUrl, this.#createdAtRevision);
    return { names, required };
  }

  *objectsRequiredSince(revision: number): Iterable<ObjectKey> {
    for (let index = this.#requiredLog.length - 1; index >= 0; index--) {
      const entry = this.#requiredLog[index]!;
      if (entry.revision <= revision) return;
      yield entry.object;
    }
  }

  #shape(sidecar: Sidecar | undefined): void {
    const { proxy, inbound } = this.#traits;
    this.#sidecar = sidecar;
    this.#scope = new Scope(this.#mesh, proxy.namespace, sidecar);
    const { config } = this.#mesh;
    this.#view = composeView({ traits: proxy, config, egress: this.#scope.egress, inbound, sidecar });
    this.#set = new ResourceSet(this.#view);
  }

  *#resourcesOf(object: ObjectKey): Generator<{ typeUrl: TypeUrl; name: string }> {
    if (object === this.#sidecar?.key) {
      for (const typeUrl of [typeUrls.cluster, typeUrls.listener, typeUrls.route]) yield* this.table(typeUrl).values();
      return;
    }
    const workload = this.#mesh.get(object);
    const specs =
      workload?.kind === 'workload' ? this.#mesh.services.selecting(workload.workload) : this.#mesh.services.specsOf(object);
    for (const { hostname } of specs) {
      for (const [index, egress] of this.#view.egress.entries()) {
        const service = egress.services.get(hostname);
        if (!service || !derivesFrom(service, object)) continue;
        for (const target of targetsOf(this.#view, index, service)) {
          if (service.spec.owner === object || this.table(target.typeUrl).get(target.name)?.provenance.includes(object))
            yield target;
        }
      }
    }
    for (const { service, targetPort } of this.#traits.inbound) {
      if (service.spec.owner !== object) continue;
      const fixed = [
        { typeUrl: typeUrls.cluster, name: inboundClusterName(targetPort) },
        { typeUrl: typeUrls.listener, name: virtualInboundListener },
      ];
      for (const each of fixed) if (this.table(each.typeUrl).get(each.name)?.provenance.includes(object)) yield each;
    }
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

  #put(resource: Resource, objects: ReadonlySet<ObjectKey>): boolean {
    const table = this.table(resource.typeUrl);
    const before = table.get(resource.name);
    if (!table.set(resource, this.#revision)) return false;
    this.#require(resource.typeUrl, before ? [...before.provenance, ...resource.provenance] : resource.provenance, objects);
    return true;
  }

  #delete(typeUrl: TypeUrl, name: string, objects: ReadonlySet<ObjectKey>): boolean {
    const before = this.table(typeUrl).delete(name, this.#revision);
    if (before) this.#require(typeUrl, before.provenance, objects);
    return before !== undefined;
  }

  /** Notes that the objects among `provenance` whose change this is wait for this revision's acknowledgement. */
  #require(typeUrl: TypeUrl, provenance: readonly ObjectKey[], objects: ReadonlySet<ObjectKey>): void {
    const involved = this.#sidecar && objects.has(this.#sidecar.key) ? [...provenance, this.#sidecar.key] : provenance;
    for (const object of involved) {
      if (!objects.has(object)) continue;
      const required = this.#required.get(object) ?? new Map<TypeUrl, number>();
      if (required.get(typeUrl) === this.#revision) continue;
      required.set(typeUrl, this.#revision);
      // Moved to the end: the map's order is that of the last change.
      this.#required.delete(object);
      this.#required.set(object, required);
      this.#requiredLog.push({ revision: this.#revision, object });
    }
    this.#trim();
  }

  #trim(): void {
    if (this.#requiredLog.length > 4 * forgetAbove + 2 * this.#required.size) {
      this.#requiredLog = this.#requiredLog.slice(this.#requiredLog.length >> 1);
    }
    if (this.#required.size <= forgetAbove + this.#mesh.size) return;
    for (const object of this.#required.keys()) {
      if (this.#required.size <= forgetAbove) return;
      if (!this.#mesh.get(object)) this.#required.delete(object);
    }
  }
}

function derivesFrom(service: Service, object: ObjectKey): boolean {
  return service.spec.owner === object || service.endpoints.some((endpoint) => endpoint.owner === object);
}
