import type { Resource } from '../../envoy/resource.ts';
import type { ObjectKey } from '../../mesh/object-key.ts';

/** A version of a resource that a proxy refused. */
export interface Rejection {
  readonly resource: string;
  readonly version: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly provenance: readonly ObjectKey[];
}

/** Messages are kept up to this many characters. Envoy itself cuts them at 4,096. */
const maxMessageLength = 4096;

/** The versions of one type that a proxy refused and that are still the newest it was sent. */
export class Rejections {
  readonly #byName = new Map<string, Rejection>();

  get size(): number {
    return this.#byName.size;
  }

  values(): Iterable<Rejection> {
    return this.#byName.values();
  }

  get(name: string): Rejection | undefined {
    return this.#byName.get(name);
  }

  /** These very bytes were refused before: sending them again would be refused again. */
  has(resource: Resource): boolean {
    return this.#byName.get(resource.name)?.version === resource.version;
  }

  add(resource: Resource, message: string, at: number): void {
    const { name, version, provenance } = resource;
    this.#byName.set(name, { resource: name, version, message: message.slice(0, maxMessageLength), at, provenance });
  }

  /** Forgets a name: accepted, removed, or asked for again. Answers what was held against it. */
  delete(name: string): Rejection | undefined {
    const rejection = this.#byName.get(name);
    if (rejection) this.#byName.delete(name);
    return rejection;
  }
}
