import type { Resource, ResourceReference, TypeUrl } from '../../envoy/resource.ts';
import { pushOrder } from '../../envoy/resource.ts';
import type { EnvoyFilter, EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import type { Mesh } from '../../mesh/mesh.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import { buildEmptyEndpoints } from '../../translate/endpoints.ts';
import { addedResources } from '../../translate/patches/added-resources.ts';
import { mayTouch } from '../../translate/patches/matches.ts';
import type { PatchOutcome } from '../../translate/patches/patch-outcome.ts';
import { patchResource } from '../../translate/patches/patch-resource.ts';
import type { ObjectFootprint, ProxyClass } from '../proxy-class.ts';
import { ResourceTable, type TableComparison } from '../resource-table.ts';
import type { BaseChange, ClassBase } from './class-base.ts';
import { byPatchedType, type ClassFilters } from './class-filters.ts';
import { type Effect, FilterEffects } from './filter-effects.ts';
import { Requirements } from './requirements.ts';

export interface PatchedClassInit {
  readonly key: string;
  readonly base: ClassBase;
  readonly filters: ClassFilters;
  /** Whose objects these are, and when it took them in. */
  readonly mesh: Mesh;
  /** Told of objects that have come to have a part in a resource, or have it no longer, whoever's change it was. */
  concerns(object: ObjectKey): void;
  /** Told of patches that threw. */
  failed(filter: EnvoyFilter, index: number, resource: ResourceReference | undefined, error: unknown): void;
}

/**
 * A base under the EnvoyFilters that hold for its members: what they are served. Resources that no patch touches are the base's own.
 * A change of the base, or of a filter, costs the resources that it touches.
 */
export class PatchedClass implements ProxyClass {
  readonly base: ClassBase;
  /** Changes when all members get other filters at once. */
  key: string;
  /** Something threw, so the next refresh takes everything over from the base anew. */
  isBroken = false;
  readonly #init: PatchedClassInit;
  readonly #tables: ReadonlyMap<TypeUrl, ResourceTable>;
  readonly #createdAtRevision: number;
  readonly #requirements = new Requirements();
  readonly #effects = new FilterEffects();
  /** What the filters add by themselves and the tables hold, by `<type> <name>`. */
  #added = new Map<string, Resource>();
  #addedEffect: Effect = noEffect;
  #filters: ClassFilters;

  constructor(init: PatchedClassInit) {
    this.#init = init;
    this.base = init.base;
    this.key = init.key;
    this.#filters = init.filters;
    this.#createdAtRevision = init.base.revision;
    this.#tables = new Map(pushOrder.map((typeUrl) => [typeUrl, new ResourceTable(typeUrl, this.#createdAtRevision)]));
    this.rebuild(noObjects);
  }

  get revision(): number {
    return this.base.revision;
  }

  get sidecarKey(): ObjectKey | undefined {
    return this.base.sidecar?.key;
  }

  /** {@link ProxyClass} */
  filterVersion(filter: ObjectKey): string | undefined {
    return this.#filters.get(filter)?.filter.version;
  }

  /** The filters that hold for the members. */
  get filters(): ClassFilters {
    return this.#filters;
  }

  table(typeUrl: TypeUrl): ResourceTable {
    return this.#tables.get(typeUrl)!;
  }

  emptyEndpoints(name: string): Resource {
    return buildEmptyEndpoints(name);
  }

  /**
   * Takes over a change of the base, and other filters where those changed too.
   * @param objects the objects behind the change: only they are to wait for acknowledgement again
   * @returns whether any resource changed or went
   */
  update(change: BaseChange, objects: ReadonlySet<ObjectKey>, next?: ClassFilters): boolean {
    const touched = new Map<string, ResourceReference>();
    for (const resource of change.computed) touched.set(keyOf(resource), resource);
    for (const resource of change.removed) touched.set(keyOf(resource), resource);
    let mayAdd = touched.size > 0 && touched.keys().some((key) => this.#filters.addable.has(key));
    if (next) {
      const before = this.#filters;
      this.#filters = next;
      const patches = before.differences(next);
      mayAdd ||= before.canAdd || next.canAdd;
      for (const resource of this.#touchedBy(patches)) touched.set(keyOf(resource), resource);
    }
    let isChanged = false;
    for (const reference of touched.values()) isChanged = this.#derive(reference, objects) || isChanged;
    if (mayAdd) isChanged = this.#add(objects) || isChanged;
    if (isChanged) this.#requirements.trim(this.#init.mesh);
    return isChanged;
  }

  /** Whether other filters would make other bytes of what the base holds, at the cost of what their patches may touch. */
  wouldChange(filters: ClassFilters): boolean {
    for (const base of this.#touchedBy(this.#filters.differences(filters))) {
      const held = this.#added.has(keyOf(base)) ? undefined : this.table(base.typeUrl).get(base.name);
      if (patchResource(base, filters.patching(base.typeUrl)).resource?.version !== held?.version) return true;
    }
    const added = filters.canAdd ? addedResources(filters.list, (reference) => this.#isTaken(reference)).resources : [];
    return (
      added.length !== this.#added.size ||
      added.some((resource) => this.#added.get(keyOf(resource))?.version !== resource.version)
    );
  }

  /** Takes everything over from the base anew; what comes out the same bytes is not touched. */
  rebuild(objects: ReadonlySet<ObjectKey>, filters = this.#filters): boolean {
    this.isBroken = false;
    this.#filters = filters;
    let isChanged = false;
    for (const typeUrl of pushOrder) {
      const resources = this.base.resources(typeUrl);
      for (const resource of resources.values()) isChanged = this.#derive(resource, objects) || isChanged;
      for (const { name } of [...this.table(typeUrl).values()]) {
        if (resources.has(name) || this.#added.has(keyOf({ typeUrl, name }))) continue;
        isChanged = this.#derive({ typeUrl, name }, objects) || isChanged;
      }
    }
    return this.#add(objects) || isChanged;
  }

  footprint(object: ObjectKey): ObjectFootprint | undefined {
    const isAwaiting = this.#filters.awaiting.has(object);
    const names = this.#filters.get(object) ? this.#namesOfFilter(object) : this.#namesOf(object);
    const changed = this.#requirements.get(object);
    if (!names.size && !changed && !isAwaiting) return undefined;
    const required = new Map(changed);
    for (const typeUrl of names.keys()) if (!required.has(typeUrl)) required.set(typeUrl, this.#createdAtRevision);
    return isAwaiting ? { names, required, isAwaiting } : { names, required };
  }

  /** Of a change that was there when the class was made, when the mesh took it in. */
  changedAt(object: ObjectKey, typeUrl: TypeUrl): number {
    const changed = this.#requirements.get(object)?.get(typeUrl);
    const madeAt = Math.max(this.base.madeAtRevision, this.#createdAtRevision);
    return changed ?? Math.min(this.#init.mesh.intake(object)?.revision ?? -1, madeAt);
  }

  objectsRequiredSince(revision: number): Iterable<ObjectKey> {
    return this.#requirements.since(revision);
  }

  /** By index, the patches of a filter that matched a resource. */
  *matchedBy(filter: ObjectKey): Generator<number> {
    yield* this.#effects.matchedOf(filter);
    for (const { object, index } of this.#addedEffect.matched) if (object === filter) yield index;
  }

  /** By index, the patches of a filter that threw, and what they said. */
  *failedBy(filter: ObjectKey): Generator<readonly [number, string]> {
    yield* this.#effects.failedOf(filter);
    for (const { object, index, error } of this.#addedEffect.failed) {
      if (object === filter) yield [index, error instanceof Error ? error.message : String(error)];
    }
  }

  /** How a table of another class of the same base differs, at the cost of what their filters touch. Undefined: not known so cheaply. */
  compare(to: ProxyClass, typeUrl: TypeUrl): TableComparison | undefined {
    if (!(to instanceof PatchedClass) || to.base !== this.base || this.isBroken || to.isBroken) return undefined;
    const names = new Set([...this.#ownNames(typeUrl), ...to.#ownNames(typeUrl)]);
    const [held, wanted] = [this.table(typeUrl), to.table(typeUrl)];
    const changed = [...names].filter((name) => wanted.get(name) && wanted.get(name)!.version !== held.get(name)?.version);
    const removed = [...names].filter((name) => !wanted.get(name)).map((name) => held.get(name));
    return { changed, removed: removed.filter((resource) => resource !== undefined) };
  }

  /** Names of which the class may say something else than its base. */
  *#ownNames(typeUrl: TypeUrl): Generator<string> {
    yield* this.#effects.names(typeUrl);
    for (const resource of this.#added.values()) if (resource.typeUrl === typeUrl) yield resource.name;
  }

  #namesOf(object: ObjectKey): Map<TypeUrl, Set<string>> {
    const names = new Map<TypeUrl, Set<string>>();
    for (const reference of this.base.resourcesOf(object)) {
      const { typeUrl, name } = reference;
      if (this.table(typeUrl).get(name) || this.base.isFailed(reference)) addName(names, typeUrl, name);
    }
    return names;
  }

  #namesOfFilter(filter: ObjectKey): ReadonlyMap<TypeUrl, ReadonlySet<string>> {
    const matched = this.#effects.namesOf(filter);
    if (!this.#added.size) return matched;
    const added = this.#added.values().filter(({ provenance }) => provenance.includes(filter));
    const names = new Map(Array.from(matched, ([typeUrl, of]) => [typeUrl, new Set(of)]));
    for (const { typeUrl, name } of added) addName(names, typeUrl, name);
    return names;
  }

  /** The base's resources that any of the patches may touch. */
  *#touchedBy(patches: readonly EnvoyFilterPatch[]): Generator<Resource> {
    for (const [typeUrl, relevant] of byPatchedType(patches)) {
      for (const resource of this.base.resources(typeUrl).values()) {
        if (relevant.some((patch) => mayTouch(patch, resource))) yield resource;
      }
    }
  }

  /** Brings one resource in line with the base's, patched. */
  #derive({ typeUrl, name }: ResourceReference, objects: ReadonlySet<ObjectKey>): boolean {
    const base = this.base.resources(typeUrl).get(name);
    const outcome = base ? patchResource(base, this.#filters.patching(typeUrl)) : gone;
    // It was looked at because of a patch that is not for it.
    if (base && this.table(typeUrl).get(name) === outcome.resource && this.#effects.has({ typeUrl, name }, outcome)) return false;
    for (const { object, index, error } of outcome.failed) this.#tellFailure(object, index, { typeUrl, name }, error);
    const earlier = this.#effects.set({ typeUrl, name }, outcome);
    const key = keyOf({ typeUrl, name });
    // What stands there was added by a filter, and stays as long as the filter does.
    if (!outcome.resource && this.#added.has(key)) return false;
    this.#added.delete(key);
    return this.#put({ typeUrl, name }, outcome.resource, objects, [earlier, outcome]);
  }

  /** Brings what the filters add in line with what they say and with the names that are taken. */
  #add(objects: ReadonlySet<ObjectKey>): boolean {
    const before = this.#added;
    const { list, canAdd } = this.#filters;
    const added = canAdd ? addedResources(list, (reference) => this.#isTaken(reference)) : { resources: [], ...noEffect };
    for (const { object, index, error } of added.failed) this.#tellFailure(object, index, undefined, error);
    const effects = [this.#addedEffect, added];
    this.#addedEffect = { matched: added.matched, failed: added.failed };
    // Of two of one name, the first.
    this.#added = new Map(added.resources.toReversed().map((resource) => [keyOf(resource), resource]));
    let isChanged = false;
    for (const [key, resource] of before) {
      if (!this.#added.has(key)) isChanged = this.#put(resource, undefined, objects, effects) || isChanged;
    }
    for (const resource of this.#added.values()) isChanged = this.#put(resource, resource, objects, effects) || isChanged;
    return isChanged;
  }

  /** Whether the base has a name, as patched. */
  #isTaken({ typeUrl, name }: ResourceReference): boolean {
    return this.table(typeUrl).get(name) !== undefined && !this.#added.has(keyOf({ typeUrl, name }));
  }

  #put(
    { typeUrl, name }: ResourceReference,
    resource: Resource | undefined,
    objects: ReadonlySet<ObjectKey>,
    effects: readonly Effect[],
  ): boolean {
    const table = this.table(typeUrl);
    const before = table.get(name);
    for (const object of changedParts(before?.provenance ?? none, resource?.provenance ?? none)) this.#init.concerns(object);
    // A Sidecar has a part in every listener and route, and it is no part of what they derive from.
    if (this.sidecarKey && !before !== !resource) this.#init.concerns(this.sidecarKey);
    const [earlier, later] = effects.map(({ matched }) => matched.map(({ object }) => object)) as [ObjectKey[], ObjectKey[]];
    for (const object of changedParts(earlier, later)) this.#init.concerns(object);
    if (resource ? !table.set(resource, this.revision) : !table.delete(name, this.revision)) return false;
    if (objects.size === 0) return true;
    const involved = new Set([...(before?.provenance ?? []), ...(resource?.provenance ?? [])]);
    for (const { matched } of effects) for (const { object } of matched) involved.add(object);
    if (this.sidecarKey) involved.add(this.sidecarKey);
    for (const object of involved) if (objects.has(object)) this.#requirements.note(object, typeUrl, this.revision);
    return true;
  }

  #tellFailure(object: ObjectKey, index: number, resource: ResourceReference | undefined, error: unknown): void {
    const found = this.#filters.get(object);
    if (found) this.#init.failed(found.filter, index, resource, error);
  }
}

const noObjects: ReadonlySet<ObjectKey> = new Set();
const none: readonly never[] = [];
const noEffect: Effect = { matched: none, failed: none };
const gone: PatchOutcome = { resource: undefined, ...noEffect };

/** What only one of two lists has. Lists that differ in one place cost no more than looking at them. */
function changedParts(before: readonly ObjectKey[], after: readonly ObjectKey[]): Iterable<ObjectKey> {
  if (before === after) return none;
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let [beforeEnd, afterEnd] = [before.length, after.length];
  while (beforeEnd > start && afterEnd > start && before[beforeEnd - 1] === after[afterEnd - 1]) {
    beforeEnd--;
    afterEnd--;
  }
  return new Set(before.slice(start, beforeEnd)).symmetricDifference(new Set(after.slice(start, afterEnd)));
}

function keyOf({ typeUrl, name }: ResourceReference): string {
  return `${typeUrl} ${name}`;
}

function addName(names: Map<TypeUrl, Set<string>>, typeUrl: TypeUrl, name: string): void {
  const known = names.get(typeUrl);
  if (known) known.add(name);
  else names.set(typeUrl, new Set([name]));
}
