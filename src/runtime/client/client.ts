import type { Cache } from '../cache/cache.ts';
import type { LabelSelector } from '../cache/label-selector.ts';
import type { ListOptions } from '../cache/object-store.ts';
import type { DeepReadonly, KubernetesObject, ObjectName } from '../object.ts';
import { objectName } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import { isNotFound } from './api-error.ts';
import { listPages } from './list-pages.ts';
import { encodePatch, type Patch } from './patch.ts';
import { objectPath, resourcePath } from './resource-path.ts';
import type { RestClient } from './rest-client.ts';

export interface ClientOptions {
  readonly rest: RestClient;
  /** Where {@link Client.get} and {@link Client.list} read. */
  readonly cache: Cache;
  /** Whose fields this client writes, in `metadata.managedFields`. Default: the API server takes the user agent's first part. */
  readonly fieldManager?: string;
}

/** Of every call that reaches the API server. */
export interface CallOptions {
  /** Ends the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long one attempt may take. Default: the rest client's, 30,000. */
  readonly timeoutMs?: number;
}

export interface WriteOptions extends CallOptions {
  /** Default: the client's. Server-side apply cannot do without one. */
  readonly fieldManager?: string;
  /** The API server checks and answers, but stores nothing. */
  readonly dryRun?: boolean;
}

export interface PatchOptions extends WriteOptions {
  /** Server-side apply only: take fields that another manager has. Default false: a conflict. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Delete only this very object: a conflict if it was made anew or changed meanwhile. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  /** What becomes of its dependents. Default: the kind's. */
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly gracePeriodSeconds?: number;
  readonly dryRun?: boolean;
}

export interface LiveListOptions extends CallOptions {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: LabelSelector;
  /** Kubernetes' notation: `spec.nodeName=a,status.phase!=Failed`. */
  readonly fieldSelector?: string;
}

/** Writes to one subresource of a kind. */
export interface SubresourceWriter<T extends KubernetesObject> {
  /** Replaces it; `metadata.resourceVersion` must be that of the object as it was read. */
  update(object: DeepReadonly<T>, options?: WriteOptions): Promise<T>;
  patch(name: ObjectName, patch: Patch, options?: PatchOptions): Promise<T>;
  /** Server-side apply; the object carries what this field manager wants, and its name. */
  apply(object: AppliedObject, options?: PatchOptions): Promise<T>;
}

/** What is applied: name, and the fields that the field manager wants. `apiVersion` and `kind` are added. */
export interface AppliedObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/**
 * Reads from the cache, which is quick and may be a little old; writes to the API server. What was written is in the cache only when
 * the watch has delivered it. Rejects with `ApiError` and `ConnectionError`.
 */
export class Client {
  readonly rest: RestClient;
  readonly #cache: Cache;
  readonly #fieldManager: string | undefined;

  constructor({ rest, cache, fieldManager }: ClientOptions) {
    this.rest = rest;
    this.#cache = cache;
    this.#fieldManager = fieldManager;
  }

  /** The object in the cache; undefined if there is none. Throws if nothing fills the cache with this kind, or has not yet. */
  get<T extends KubernetesObject>(kind: ResourceKind<T>, name: ObjectName): DeepReadonly<T> | undefined {
    return this.#store(kind).get(name);
  }

  /** The matching objects in the cache, in no particular order. Throws as {@link get}. */
  list<T extends KubernetesObject>(kind: ResourceKind<T>, options: ListOptions = {}): DeepReadonly<T>[] {
    return this.#store(kind).list(options);
  }

  /** The object as the API server has it now; undefined if there is none. */
  async getLive<T extends KubernetesObject>(
    kind: ResourceKind<T>,
    name: ObjectName,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      return complete(kind, await this.rest.request<T>({ path: objectPath(kind, name), ...callOptions(options) }));
    } catch (error) {
      // A kind that is not served has no objects, but is a fault of the surroundings: it must not look like an absent object.
      if (isNotFound(error) && error.details?.name !== undefined) return undefined;
      throw error;
    }
  }

  /** The matching objects as the API server has them now, in its order, read in pages. */
  async listLive<T extends KubernetesObject>(kind: ResourceKind<T>, options: LiveListOptions = {}): Promise<T[]> {
    const objects: T[] = [];
    for await (const page of listPages<T>(this.rest, kind, { ...options, maxRetries: 5 })) objects.push(...page.items);
    return objects;
  }

  /** Makes the object. Its name may be left to the API server by `metadata.generateName`. Rejects if the namespace does not fit the kind. */
  async create<T extends KubernetesObject>(
    kind: ResourceKind<T>,
    object: DeepReadonly<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    const { namespace, name, generateName } = object.metadata as typeof object.metadata & { generateName?: string };
    if ((namespace !== '') !== (kind.scope === 'Namespaced')) {
      const wanted = kind.scope === 'Namespaced' ? 'lies in a namespace: set metadata.namespace' : 'lies in no namespace';
      throw new Error(`cannot create ${kind.kind} "${name || `${generateName}*`}": this kind ${wanted}`);
    }
    return this.#write(kind, 'POST', resourcePath(kind, namespace), object, options);
  }

  /**
   * Replaces the object; with `metadata.resourceVersion` a conflict if it has changed since. Leaves the status alone where that is a
   * subresource. Not for what the cache has of a kind with a `transform`: fields that it left out would be removed; patch or apply instead.
   */
  async update<T extends KubernetesObject>(
    kind: ResourceKind<T>,
    object: DeepReadonly<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#write(kind, 'PUT', objectPath(kind, objectName(object)), object, options);
  }

  async patch<T extends KubernetesObject>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: Patch,
    options: PatchOptions = {},
  ): Promise<T> {
    return this.#patch(kind, objectPath(kind, name), patch, options);
  }

  /** Server-side apply: makes or changes the object so that this field manager's fields are as given. */
  async apply<T extends KubernetesObject>(kind: ResourceKind<T>, object: AppliedObject, options: PatchOptions = {}): Promise<T> {
    return this.#patch(kind, objectPath(kind, nameOf(object)), { type: 'apply', value: object }, options);
  }

  /** Deletes the object, or marks it as being deleted while it has finalizers. `ignoreNotFound` is for those that may be gone already. */
  async delete<T extends KubernetesObject>(kind: ResourceKind<T>, name: ObjectName, options: DeleteOptions = {}): Promise<void> {
    const { preconditions, propagationPolicy, gracePeriodSeconds, dryRun, ...call } = options;
    await this.rest.request({
      method: 'DELETE',
      path: objectPath(kind, name),
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        preconditions,
        propagationPolicy,
        gracePeriodSeconds,
        ...(dryRun && { dryRun: ['All'] }),
      },
      ...callOptions(call),
    });
  }

  /** Writes to the kind's status alone. */
  status<T extends KubernetesObject>(kind: ResourceKind<T>): SubresourceWriter<T> {
    return this.subresource(kind, 'status');
  }

  /** Writes to a subresource that takes and gives the object itself. */
  subresource<T extends KubernetesObject>(kind: ResourceKind<T>, subresource: string): SubresourceWriter<T> {
    const pathOf = (name: ObjectName) => objectPath(kind, name, subresource);
    return {
      update: async (object, options = {}) => this.#write(kind, 'PUT', pathOf(objectName(object)), object, options),
      patch: async (name, patch, options = {}) => this.#patch(kind, pathOf(name), patch, options),
      apply: async (object, options = {}) => this.#patch(kind, pathOf(nameOf(object)), { type: 'apply', value: object }, options),
    };
  }

  #store<T extends KubernetesObject>(kind: ResourceKind<T>) {
    const store = this.#cache.find(kind);
    if (store?.hasSynced) return store;
    const why =
      store?.source === undefined
        ? 'nothing fills it with this kind; watch the kind with a controller, or call reflect of the manager'
        : 'its first list is not in yet; wait for the cache to sync';
    throw new Error(`cannot read ${kind.plural}.${kind.group} from the cache: ${why} (getLive and listLive ask the API server)`);
  }

  async #write<T extends KubernetesObject>(
    kind: ResourceKind<T>,
    method: 'POST' | 'PUT',
    path: string,
    object: DeepReadonly<T>,
    options: WriteOptions,
  ): Promise<T> {
    const body = { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
    const query = this.#writeQuery(options);
    return complete(kind, await this.rest.request<T>({ method, path, query, body, ...callOptions(options) }));
  }

  async #patch<T extends KubernetesObject>(
    kind: ResourceKind<T>,
    path: string,
    patch: Patch,
    { force, ...options }: PatchOptions,
  ): Promise<T> {
    const isApply = patch.type === 'apply';
    const { contentType, body } = encodePatch(
      isApply ? { type: 'apply', value: { ...patch.value, apiVersion: apiVersionOf(kind), kind: kind.kind } } : patch,
    );
    const query = { ...this.#writeQuery(options), ...(isApply && { force: force ?? false }) };
    if (isApply && query.fieldManager === undefined) {
      throw new Error(`cannot apply ${kind.kind}: server-side apply needs a fieldManager; give it to the client or to the call`);
    }
    // To merge or apply the same twice is to do it once.
    const isIdempotent = patch.type !== 'json';
    return complete(
      kind,
      await this.rest.request<T>({ method: 'PATCH', path, query, contentType, body, isIdempotent, ...callOptions(options) }),
    );
  }

  #writeQuery({ fieldManager = this.#fieldManager, dryRun }: WriteOptions) {
    return { fieldManager, dryRun: dryRun ? 'All' : undefined };
  }
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf<T extends KubernetesObject>({ group, version }: ResourceKind<T>): string {
  return group === '' ? version : `${group}/${version}`;
}

const nameOf = ({ metadata }: AppliedObject): ObjectName =>
  metadata.namespace === undefined || metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`;

function callOptions({ signal, timeoutMs }: CallOptions): CallOptions {
  return { signal, timeoutMs };
}

/** What the API server leaves out is empty here: the namespace of a cluster-scoped object; type meta of list items. */
function complete<T extends KubernetesObject>(kind: ResourceKind<T>, object: T): T {
  object.apiVersion ??= apiVersionOf(kind);
  object.kind ??= kind.kind;
  object.metadata.namespace ??= '';
  return object;
}
