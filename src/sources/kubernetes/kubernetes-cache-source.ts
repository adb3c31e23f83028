import type { Cache } from '../../runtime/cache/cache.ts';
import { Reflector } from '../../runtime/cache/reflector.ts';
import type { ReflectedKind, ReflectorOptions, ReflectorStatus, ReflectorTimes } from '../../runtime/cache/reflector-options.ts';
import type { RestClient } from '../../runtime/client/rest-client.ts';
import { type Logger, silentLogger } from '../../runtime/logger.ts';
import type { KubernetesObject } from '../../runtime/object.ts';
import type { Runnable } from '../../runtime/runnable.ts';

export interface KubernetesCacheSourceOptions
  extends ReflectorTimes,
    Pick<ReflectorOptions, 'keepsNamespace' | 'pageSize' | 'clock' | 'random'> {
  readonly rest: RestClient;
  /** Where the objects go. */
  readonly cache: Cache;
  /** Each kind once; {@link watchedKind} keeps the type of its transform. */
  readonly kinds: readonly ReflectedKind[];
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** A kind with its selectors and transform, for a list of kinds of different types. */
export function watchedKind<T extends KubernetesObject>(kind: ReflectedKind<T>): ReflectedKind {
  return kind as unknown as ReflectedKind;
}

/** Keeps the cache in step with the API server, each kind on its own: one that is missing or forbidden holds up no other. */
export class KubernetesCacheSource implements Runnable {
  readonly name = 'kubernetes source';
  readonly group = 'cache';
  readonly #cache: Cache;
  readonly #kinds: readonly ReflectedKind[];
  readonly #reflectors: readonly Reflector[];

  constructor({ cache, kinds, logger = silentLogger, ...options }: KubernetesCacheSourceOptions) {
    this.#cache = cache;
    this.#kinds = kinds;
    this.#reflectors = kinds.map((kind) => new Reflector({ ...options, ...kind, logger, store: cache.store(kind.kind) }));
  }

  /** Follows the API server until `signal` aborts. Never rejects: what fails is logged, shown by {@link status}, and tried again. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)));
  }

  /** Resolves when the first list of every kind is in; a kind that is not served holds it up until it is. */
  async waitForReady(signal: AbortSignal): Promise<void> {
    for (const { kind } of this.#kinds) await this.#cache.store(kind).waitForSync(signal);
  }

  /** What each kind is at, in the order of the kinds. */
  status(): ReflectorStatus[] {
    return this.#reflectors.map((reflector) => reflector.status());
  }

  /** Call when `keepsNamespace` answers differently for these: their objects of all kinds are fetched, or leave the cache at once. */
  namespacesChanged(namespaces: Iterable<string>): void {
    const changed = [...namespaces];
    for (const reflector of this.#reflectors) reflector.namespacesChanged(changed);
  }
}
