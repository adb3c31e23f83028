import type { Resource, TypeUrl } from '../envoy/resource.ts';

/** What a holder of an earlier revision of a table lacks. */
export interface TableDelta {
  readonly changed: readonly Resource[];
  /** The resources removed since, as they last were. A name that came back is in `changed` only. */
  readonly removed: readonly Resource[];
}

/** What a holder of all of one table needs in order to hold another. */
export interface TableComparison {
  /** Names whose bytes differ, or that are new. */
  readonly changed: readonly string[];
  readonly removed: readonly Resource[];
}

/** A change of one name. Superseded entries stay in the log until it is compacted, without their bytes. */
interface Entry {
  readonly revision: number;
  /** Undefined: a later change of the name has superseded this one. */
  resource: Resource | undefined;
  readonly removed: boolean;
}

/** The last change of one name. */
interface LastEntry extends Entry {
  resource: Resource;
}

/** Removals are remembered up to this many times the table's size, and at least {@link removalFloor} of them. */
const removalFactor = 2;
const removalFloor = 1024;

/**
 * The resources of one type that a class of proxies gets, with a log of each name's last change,
 * so that each proxy remembers one revision number in place of everything it was sent.
 * The log has one entry a name; it is bounded because only so many removals are remembered.
 */
export class ResourceTable {
  readonly typeUrl: TypeUrl;
  readonly #present = new Map<string, LastEntry>();
  /** In order of removal, oldest first. */
  readonly #removed = new Map<string, LastEntry>();
  #log: Entry[] = [];
  #removalsKnownFrom: number;
  #revision: number;

  /** An empty table at `revision`. */
  constructor(typeUrl: TypeUrl, revision: number) {
    this.typeUrl = typeUrl;
    this.#removalsKnownFrom = revision;
    this.#revision = revision;
  }

  /** The revision of the last change. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#present.size;
  }

  get(name: string): Resource | undefined {
    return this.#present.get(name)?.resource;
  }

  /** Every resource, in no particular order. */
  *values(): Generator<Resource, void, undefined> {
    for (const entry of this.#present.values()) yield entry.resource;
  }

  /** Puts a resource in place; the same version again changes nothing and answers false. */
  set(resource: Resource, revision: number): boolean {
    const before = this.#present.get(resource.name);
    if (before?.resource.version === resource.version) {
      before.resource = resource;
      return false;
    }
    const tombstone = this.#removed.get(resource.name);
    if (tombstone) {
      supersede(tombstone);
      this.#removed.delete(resource.name);
    }
    if (before) supersede(before);
    this.#present.set(resource.name, this.#append(resource, revision, false));
    return true;
  }

  /** Takes a resource away; answers what it was. */
  delete(name: string, revision: number): Resource | undefined {
    const before = this.#present.get(name);
    if (!before) return undefined;
    const { resource } = before;
    supersede(before);
    this.#present.delete(name);
    this.#removed.set(name, this.#append(resource, revision, true));
    this.#forgetOldRemovals();
    return resource;
  }

  /** What changed after `revision`; undefined where removals are not remembered so far back: compare versions instead. */
  since(revision: number): TableDelta | undefined {
    if (revision >= this.#revision) return noDelta;
    if (revision < this.#removalsKnownFrom) return undefined;
    const changed: Resource[] = [];
    const removed: Resource[] = [];
    for (let index = this.#log.length - 1; index >= 0; index--) {
      const entry = this.#log[index]!;
      if (entry.revision <= revision) break;
      if (entry.resource) (entry.removed ? removed : changed).push(entry.resource);
    }
    return { changed: changed.reverse(), removed: removed.reverse() };
  }

  #append(resource: Resource, revision: number, removed: boolean): LastEntry {
    const entry: LastEntry = { revision, resource, removed };
    this.#revision = revision;
    this.#log.push(entry);
    const current = this.#present.size + this.#removed.size;
    if (this.#log.length > 2 * current + 64) this.#log = this.#log.filter(({ resource }) => resource);
    return entry;
  }

  #forgetOldRemovals(): void {
    const limit = Math.max(removalFloor, removalFactor * this.#present.size);
    if (this.#removed.size <= limit) return;
    for (const [name, entry] of this.#removed) {
      // A push in progress still needs the newest revision's removals, however many they are.
      if (this.#removed.size <= limit || entry.revision === this.#revision) return;
      supersede(entry);
      this.#removed.delete(name);
      this.#removalsKnownFrom = entry.revision;
    }
  }
}

function supersede(entry: Entry): void {
  entry.resource = undefined;
}

const noDelta: TableDelta = { changed: [], removed: [] };
