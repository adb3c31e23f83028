import type { ResourceReference, TypeUrl } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';
import type { PatchOutcome } from '../../translate/patches/patch-outcome.ts';

/** Which patches took hold of a resource, and which threw on it. */
export type Effect = Pick<PatchOutcome, 'matched' | 'failed'>;

interface Sum {
  /** The resources that a patch matched, those that it removed among them. */
  readonly names: Map<TypeUrl, Set<string>>;
  /** By patch index, on how many resources. */
  readonly matched: Map<number, number>;
  readonly failed: Map<number, { count: number; message: string }>;
}

/** What the EnvoyFilters of one class do to its resources, by resource and added up by filter. */
export class FilterEffects {
  readonly #byResource = new Map<string, Effect>();
  readonly #byFilter = new Map<ObjectKey, Sum>();

  /** Notes what became of a resource, in place of what was noted before; answers that. */
  set(reference: ResourceReference, effect: Effect): Effect {
    const key = `${reference.typeUrl} ${reference.name}`;
    const before = this.#byResource.get(key);
    if (!before && !effect.matched.length && !effect.failed.length) return noEffect;
    if (before) this.#subtract(reference, before);
    if (effect.matched.length || effect.failed.length) {
      this.#byResource.set(key, effect);
      this.#add(reference, effect);
    } else this.#byResource.delete(key);
    return before ?? noEffect;
  }

  /** Whether this very effect is what was noted of a resource, or neither is any. */
  has({ typeUrl, name }: ResourceReference, effect: Effect): boolean {
    const noted = this.#byResource.get(`${typeUrl} ${name}`);
    return noted ? noted === effect : !effect.matched.length && !effect.failed.length;
  }

  /** The names of a type that some filter matched. */
  *names(typeUrl: TypeUrl): Generator<string> {
    for (const { names } of this.#byFilter.values()) yield* names.get(typeUrl) ?? [];
  }

  /** The resources that a filter matched, by type. */
  namesOf(filter: ObjectKey): ReadonlyMap<TypeUrl, ReadonlySet<string>> {
    return this.#byFilter.get(filter)?.names ?? noNames;
  }

  /** By index, the patches of a filter that matched something. */
  matchedOf(filter: ObjectKey): Iterable<number> {
    return this.#byFilter.get(filter)?.matched.keys() ?? [];
  }

  /** By index, the patches of a filter that threw, with what the first of them said. */
  failedOf(filter: ObjectKey): Iterable<readonly [number, string]> {
    const failed = this.#byFilter.get(filter)?.failed ?? new Map<number, { message: string }>();
    return failed.entries().map(([index, { message }]) => [index, message] as const);
  }

  #add({ typeUrl, name }: ResourceReference, { matched, failed }: Effect): void {
    for (const { object, index } of matched) {
      const sum = this.#sumOf(object);
      sum.matched.set(index, (sum.matched.get(index) ?? 0) + 1);
      const names = sum.names.get(typeUrl);
      if (names) names.add(name);
      else sum.names.set(typeUrl, new Set([name]));
    }
    for (const { object, index, error } of failed) {
      const sum = this.#sumOf(object);
      const known = sum.failed.get(index);
      if (known) known.count++;
      else sum.failed.set(index, { count: 1, message: messageOf(error) });
    }
  }

  #subtract({ typeUrl, name }: ResourceReference, { matched, failed }: Effect): void {
    for (const { object, index } of matched) {
      const sum = this.#sumOf(object);
      const count = sum.matched.get(index)! - 1;
      if (count) sum.matched.set(index, count);
      else sum.matched.delete(index);
      const names = sum.names.get(typeUrl);
      if (names?.delete(name) && !names.size) sum.names.delete(typeUrl);
    }
    for (const { object, index } of failed) {
      const { failed: known } = this.#sumOf(object);
      if (--known.get(index)!.count === 0) known.delete(index);
    }
    for (const { object } of [...matched, ...failed]) {
      const sum = this.#byFilter.get(object);
      if (sum && !sum.matched.size && !sum.failed.size) this.#byFilter.delete(object);
    }
  }

  #sumOf(filter: ObjectKey): Sum {
    let sum = this.#byFilter.get(filter);
    if (!sum) {
      sum = { names: new Map(), matched: new Map(), failed: new Map() };
      this.#byFilter.set(filter, sum);
    }
    return sum;
  }
}

const noEffect: Effect = { matched: [], failed: [] };
const noNames: ReadonlyMap<TypeUrl, ReadonlySet<string>> = new Map();

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
