import { type TypeUrl, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import { addedResources } from '../../translate/patches/added-resources.ts';
import type { FittedFilter } from '../fit-filters.ts';

/** The types of resource that a patch may take hold of, besides those that it adds. Inbound routes are part of their listener. */
const patchedTypes: Readonly<Record<EnvoyFilterPatch['applyTo'], readonly TypeUrl[]>> = {
  CLUSTER: [typeUrls.cluster],
  LISTENER: [typeUrls.listener],
  LISTENER_FILTER: [typeUrls.listener],
  FILTER_CHAIN: [typeUrls.listener],
  NETWORK_FILTER: [typeUrls.listener],
  HTTP_FILTER: [typeUrls.listener],
  ROUTE_CONFIGURATION: [typeUrls.route, typeUrls.listener],
  VIRTUAL_HOST: [typeUrls.route, typeUrls.listener],
  HTTP_ROUTE: [typeUrls.route, typeUrls.listener],
  EXTENSION_CONFIG: [],
  BOOTSTRAP: [],
};

/** The EnvoyFilters that hold for the members of a class, in the order of application. */
export class ClassFilters {
  readonly list: readonly FittedFilter[];
  /** Filters of which another version is on trial elsewhere. */
  readonly awaiting: ReadonlySet<ObjectKey>;
  /** Behind the base's key, what makes the class's; empty: no filter holds. */
  readonly key: string;
  #byType: Map<TypeUrl, readonly FittedFilter[]> | undefined;
  #addable: ReadonlySet<string> | undefined;

  constructor(list: readonly FittedFilter[], awaiting: readonly ObjectKey[] = []) {
    this.list = list;
    this.awaiting = new Set(awaiting);
    this.key = [...list.map(({ key }) => key), ...awaiting.toSorted().map((key) => `~${key}`)].map((part) => `|${part}`).join('');
  }

  /** A filter that is in force with at least one patch. */
  get(filter: ObjectKey): FittedFilter | undefined {
    return this.list.find((each) => each.filter.key === filter);
  }

  /** Whether the same versions hold, though others may be awaited. */
  isSameList({ list }: ClassFilters): boolean {
    return list.length === this.list.length && list.every((filter, index) => filter === this.list[index]);
  }

  /** Those that have a patch for resources of a type. */
  patching(typeUrl: TypeUrl): readonly FittedFilter[] {
    this.#byType ??= this.#sortByType();
    return this.#byType.get(typeUrl) ?? none;
  }

  /** Whether a filter may add resources of its own. */
  get canAdd(): boolean {
    return this.list.some(({ patches }) => patches.some(isAdding));
  }

  /** What the filters add where no name is taken, by `<type> <name>`. */
  get addable(): ReadonlySet<string> {
    this.#addable ??= new Set(
      this.canAdd ? addedResources(this.list, () => false).resources.map(({ typeUrl, name }) => `${typeUrl} ${name}`) : [],
    );
    return this.#addable;
  }

  /**
   * The patches that one list has and the other has not: whatever none of them may touch is the same under both. Where the filters that both have
   * change places (another root namespace), theirs are among them.
   */
  differences(next: ClassFilters): EnvoyFilterPatch[] {
    const [before, after] = [new Set(this.list), new Set(next.list)];
    const kept = this.list.filter((filter) => after.has(filter));
    const keptAfter = next.list.filter((filter) => before.has(filter));
    const differing = kept.every((filter, index) => filter === keptAfter[index])
      ? [...this.list.filter((filter) => !after.has(filter)), ...next.list.filter((filter) => !before.has(filter))]
      : [...before.union(after)];
    return differing.flatMap(({ patches }) => patches);
  }

  #sortByType(): Map<TypeUrl, readonly FittedFilter[]> {
    const byType = new Map<TypeUrl, FittedFilter[]>();
    for (const filter of this.list) {
      for (const typeUrl of new Set(filter.patches.flatMap(typesOf))) {
        const known = byType.get(typeUrl);
        if (known) known.push(filter);
        else byType.set(typeUrl, [filter]);
      }
    }
    return byType;
  }
}

const none: readonly FittedFilter[] = [];

function isAdding({ applyTo, operation }: EnvoyFilterPatch): boolean {
  return operation === 'ADD' && (applyTo === 'CLUSTER' || applyTo === 'LISTENER' || applyTo === 'EXTENSION_CONFIG');
}

function typesOf(patch: EnvoyFilterPatch): readonly TypeUrl[] {
  return isAdding(patch) ? [] : patchedTypes[patch.applyTo];
}

/** Patches by the types of resource that they may take hold of; those that only add are left out. */
export function byPatchedType(patches: readonly EnvoyFilterPatch[]): Map<TypeUrl, EnvoyFilterPatch[]> {
  const byType = new Map<TypeUrl, EnvoyFilterPatch[]>();
  for (const patch of patches) {
    for (const typeUrl of typesOf(patch)) {
      const known = byType.get(typeUrl);
      if (known) known.push(patch);
      else byType.set(typeUrl, [patch]);
    }
  }
  return byType;
}
