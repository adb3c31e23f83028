import { isDeepStrictEqual } from 'node:util';
import type { MeshKind } from '../api/kind.ts';
import { type ObjectKey, objectKey, parseObjectKey } from '../mesh/object-key.ts';
import type { Cache } from '../runtime/cache/cache.ts';
import { isOlderVersion } from '../runtime/cache/resource-version.ts';
import type { DeepReadonly, KubernetesObject } from '../runtime/object.ts';
import { compareStatus } from './compare-status.ts';
import type { ObjectStatus } from './render-status.ts';

/** A mesh object with the status that stands in the API server. */
export type PublishedObject = KubernetesObject & { status?: ObjectStatus };

/** What a write has left behind until the cache shows it. */
interface Written {
  readonly wanted: ObjectStatus;
  readonly object: PublishedObject;
  /** The API server has not kept all of it (a CRD that knows less): to write the same again would change nothing. */
  readonly isCut: boolean;
}

/** What stands in the API server, as far as is known here: what the cache has, or what was written since. */
export class PublishedStatus {
  readonly #cache: Cache;
  readonly #kinds: ReadonlyMap<string, MeshKind>;
  readonly #written = new Map<ObjectKey, Written>();

  /** @param kinds whose objects have a status; the cache must keep it */
  constructor(cache: Cache, kinds: readonly MeshKind[]) {
    this.#cache = cache;
    this.#kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  /** The object and its kind; undefined: it is not in the cache. */
  find(key: ObjectKey): { readonly kind: MeshKind; readonly object: DeepReadonly<PublishedObject> } | undefined {
    const { kind: kindName, namespace, name } = parseObjectKey(key);
    const kind = this.#kinds.get(kindName);
    const cached = kind && this.#cache.find(kind)?.get(`${namespace}/${name}`);
    if (!cached) {
      this.#written.delete(key);
      return undefined;
    }
    const written = this.#written.get(key);
    const isAhead =
      written?.object.metadata.uid === cached.metadata.uid &&
      isOlderVersion(cached.metadata.resourceVersion, written?.object.metadata.resourceVersion);
    if (isAhead) return { kind, object: written!.object };
    if (written && !written.isCut) this.#written.delete(key);
    return { kind, object: cached as DeepReadonly<PublishedObject> };
  }

  /** The status that stands; undefined: none, or one that nobody has written yet. */
  get(key: ObjectKey): ObjectStatus | undefined {
    const status = this.find(key)?.object.status as ObjectStatus | undefined;
    return status?.conditions ? status : undefined;
  }

  /** Notes what a write of `wanted` has left in the API server. */
  wrote(key: ObjectKey, wanted: ObjectStatus, object: PublishedObject): void {
    this.#written.set(key, { wanted, object, isCut: compareStatus(object.status, wanted) !== 'none' });
  }

  /** Whether the very same was written already and the API server made what stands there now of it. */
  isCutShort(key: ObjectKey, wanted: ObjectStatus): boolean {
    const written = this.#written.get(key);
    if (!written?.isCut) return false;
    return isDeepStrictEqual(written.wanted, wanted) && isDeepStrictEqual(this.find(key)?.object.status, written.object.status);
  }

  /** Calls `listener` for each object that came or changed. Returns the way out. */
  onChange(listener: (key: ObjectKey, event: 'applied' | 'deleted', object: DeepReadonly<PublishedObject>) => void): () => void {
    const unsubscribe = [...this.#kinds.values()].map((kind) =>
      this.#cache.store(kind).subscribe((event) => {
        const object = event.type === 'update' ? event.objectNew : event.object;
        const { namespace, name } = object.metadata;
        const key = objectKey(kind.kind, namespace, name);
        if (event.type === 'delete') this.#written.delete(key);
        listener(key, event.type === 'delete' ? 'deleted' : 'applied', object as DeepReadonly<PublishedObject>);
      }),
    );
    return () => {
      for (const end of unsubscribe) end();
    };
  }
}
