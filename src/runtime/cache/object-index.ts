import type { DeepReadonly, KubernetesObject, ObjectName } from '../object.ts';

/** The values under which an index lists an object; none leaves it out. Must depend on nothing but the object. */
export type IndexFunction<T extends KubernetesObject> = (object: DeepReadonly<T>) => Iterable<string>;

/** Objects by the values that a function finds in them, kept in step with the store. */
export class ObjectIndex<T extends KubernetesObject> {
  readonly #valuesOf: IndexFunction<T>;
  readonly #byValue = new Map<string, Map<ObjectName, DeepReadonly<T>>>();

  constructor(valuesOf: IndexFunction<T>) {
    this.#valuesOf = valuesOf;
  }

  get(value: string): ReadonlyMap<ObjectName, DeepReadonly<T>> | undefined {
    return this.#byValue.get(value);
  }

  /** Puts the new object in the old one's place; undefined where there is none. */
  replace(name: ObjectName, objectOld: DeepReadonly<T> | undefined, objectNew: DeepReadonly<T> | undefined): void {
    const values = new Set(objectNew === undefined ? [] : this.#valuesOf(objectNew));
    if (objectOld !== undefined) {
      for (const value of this.#valuesOf(objectOld)) if (!values.has(value)) this.#remove(value, name);
    }
    for (const value of values) {
      const objects = this.#byValue.get(value);
      if (objects) objects.set(name, objectNew!);
      else this.#byValue.set(value, new Map([[name, objectNew!]]));
    }
  }

  #remove(value: string, name: ObjectName): void {
    const objects = this.#byValue.get(value);
    objects?.delete(name);
    if (objects?.size === 0) this.#byValue.delete(value);
  }
}
