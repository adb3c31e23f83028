import { sleep } from '../abort.ts';
import { isGone } from '../client/api-error.ts';
import { Backoff } from '../client/backoff.ts';
import { listPages } from '../client/list-pages.ts';
import { type WatchEvent, watchEvents } from '../client/watch-events.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Logger, silentLogger } from '../logger.ts';
import { type DeepReadonly, type KubernetesObject, objectName } from '../object.ts';
import { TurnBudget } from '../turn-budget.ts';
import { NamespaceScope } from './namespace-scope.ts';
import type { ReflectorOptions, ReflectorStatus } from './reflector-options.ts';
import { judgeProblem } from './reflector-problem.ts';
import { isOlderVersion } from './resource-version.ts';
import { slimMetadata } from './slim-metadata.ts';

export type { ReflectorOptions, ReflectorStatus } from './reflector-options.ts';

/** Watches that fail in a row before the kind is listed anew, whatever the reason. */
const maxWatchFailures = 5;

/** A watch that lasted this long, in milliseconds, was no failure, whatever ended it. */
const steadyMs = 5_000;

/** Continue tokens that expire in a row before a list is asked for in one piece. */
const maxExpiredLists = 2;

/**
 * Keeps a store in step with the API server: lists the objects of a kind once, follows them by a watch, and lists them anew only when
 * the watch cannot be resumed. What happened meanwhile, deletes too, comes out of the comparison of the store with the list.
 */
export class Reflector<T extends KubernetesObject = KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #resource: string;
  readonly #listBackoff: Backoff;
  readonly #watchBackoff: Backoff;
  readonly #budget = new TurnBudget();
  readonly #scope: NamespaceScope<T>;
  #phase: ReflectorStatus['phase'] = 'idle';
  #problem: string | undefined;
  /** When the kind was first found not to be served; undefined while it is. */
  #missingSinceMs: number | undefined;
  #resourceVersion = '';
  #mustList = true;
  #expiredLists = 0;
  #lists = 0;
  #watches = 0;

  /** Throws if the store has a source already. */
  constructor(options: ReflectorOptions<T>) {
    const { kind, clock = systemClock, logger = silentLogger, random = Math.random } = options;
    this.#options = options;
    this.#clock = clock;
    this.#resource = kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
    this.#logger = logger.child({ resource: this.#resource });
    options.store.claim(`a reflector of ${this.#resource}`);
    const backoff = { baseMs: options.backoffBaseMs ?? 800, maxMs: options.backoffMaxMs ?? 30_000, random };
    this.#listBackoff = new Backoff(backoff);
    this.#watchBackoff = new Backoff(backoff);
    this.#scope = new NamespaceScope({ ...options, keep: (object) => this.#keep(object), logger: this.#logger });
  }

  status(): ReflectorStatus {
    return {
      resource: this.#resource,
      phase: this.#phase,
      problem: this.#problem,
      isMissing: this.#missingSinceMs !== undefined,
      lists: this.#lists,
      watches: this.#watches,
      resourceVersion: this.#resourceVersion,
    };
  }

  /** Call when `keepsNamespace` answers differently for these: their objects are fetched, or leave the store at once. */
  namespacesChanged(namespaces: Iterable<string>): void {
    this.#scope.changed(namespaces);
  }

  /** Keeps the store in step until `signal` aborts. Never rejects: whatever fails is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const joining = this.#scope.run(signal).catch((error) => this.#logger.error('Following namespaces failed', { error }));
    while (!signal.aborted) {
      try {
        if (this.#mustList) await this.#list(signal);
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) break;
        await this.#recover(error, signal);
      }
    }
    this.#phase = 'stopped';
    await joining;
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.#phase = 'listing';
    const { rest, kind, store, namespace, labelSelector, fieldSelector, listTimeoutMs: timeoutMs = 60_000 } = this.#options;
    // Reading in pages can be too slow for the API server's memory again and again; one piece is always of one moment.
    const pageSize = this.#expiredLists >= maxExpiredLists ? 0 : this.#options.pageSize;
    const options = { namespace, labelSelector, fieldSelector, pageSize, timeoutMs, signal, maxRetries: 0 };
    const objects: DeepReadonly<T>[] = [];
    let resourceVersion = '';
    this.#scope.beginList();
    for await (const page of listPages<T>(rest, kind, options)) {
      for (const item of page.items) {
        const object = this.#scope.keeps(item) ? this.#keep(item) : undefined;
        if (object) objects.push(object);
      }
      resourceVersion = page.resourceVersion;
    }
    if (signal.aborted) return;
    // Namespaces may have left while the pages came.
    store.replace(objects.filter((object) => this.#scope.keeps(object)));
    this.#scope.endList();
    this.#resourceVersion = resourceVersion;
    this.#mustList = false;
    this.#expiredLists = 0;
    this.#listBackoff.reset();
    this.#missingSinceMs = undefined;
    this.#lists++;
    this.#logger.debug('Listed', { objects: objects.length, resourceVersion });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { rest, kind, namespace, labelSelector, fieldSelector, random = Math.random } = this.#options;
    const { watchTimeoutMs = 300_000, graceMs = 30_000, silenceMs = 150_000 } = this.#options;
    let openedMs: number | undefined;
    let hasProgressed = false;
    const events = watchEvents<T>(rest, kind, {
      resourceVersion: this.#resourceVersion,
      namespace,
      labelSelector,
      fieldSelector,
      // Watches of many clients should not end together.
      timeoutMs: watchTimeoutMs * (1 + random()),
      graceMs,
      silenceMs,
      signal,
      clock: this.#clock,
      onOpen: () => {
        openedMs = this.#clock.monotonicMs();
        this.#opened();
      },
    });
    try {
      for await (const event of events) {
        if (signal.aborted) return;
        hasProgressed = true;
        this.#apply(event);
        if (this.#budget.spent) await this.#budget.yield();
      }
    } finally {
      const lastedMs = openedMs === undefined ? 0 : this.#clock.monotonicMs() - openedMs;
      if (hasProgressed || lastedMs >= steadyMs) this.#watchBackoff.reset();
    }
    // One that ends as soon as it began, again and again, must not become a storm.
    const isIdle = !hasProgressed && this.#clock.monotonicMs() - (openedMs ?? 0) < steadyMs;
    if (isIdle) await this.#pause(this.#watchBackoff.next(), signal);
  }

  #opened(): void {
    this.#watches++;
    this.#phase = 'watching';
    if (this.#problem !== undefined) this.#logger.info('In step with the API server again', { after: this.#problem });
    this.#problem = undefined;
  }

  #apply({ type, object }: WatchEvent<T>): void {
    const { resourceVersion } = object.metadata;
    if (type !== 'BOOKMARK') {
      object.metadata.namespace ??= '';
      this.#applyObject(type, object);
    }
    if (resourceVersion !== undefined && resourceVersion !== '') this.#resourceVersion = resourceVersion;
  }

  #applyObject(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    const { store } = this.#options;
    const name = objectName(object as never);
    if (type === 'DELETED') this.#scope.deleted(object);
    // A namespace that joined may have brought a newer state than the watch has come to.
    if (isOlderVersion(object.metadata.resourceVersion, store.get(name)?.metadata.resourceVersion)) return;
    if (type === 'DELETED') {
      // The last state is what listeners are told, as far as it is kept.
      store.delete(name);
      return;
    }
    if (!this.#scope.keeps(object)) return;
    const kept = this.#transform(object);
    if (kept === 'failed') return;
    if (kept) store.apply(kept);
    else store.delete(name);
  }

  /** What is kept of a listed object; where the transform fails, what was kept before. */
  #keep(object: T): DeepReadonly<T> | undefined {
    const kept = this.#transform(object);
    return kept === 'failed' ? this.#options.store.get(objectName(object as never)) : kept;
  }

  #transform(object: T): DeepReadonly<T> | undefined | 'failed' {
    try {
      const slim = slimMetadata(object);
      return (this.#options.transform ? this.#options.transform(slim) : slim) as DeepReadonly<T> | undefined;
    } catch (error) {
      const name = objectName(object as never);
      this.#logger.error('The transform of a kind failed; the object stays as it was', { error, object: name });
      return 'failed';
    }
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { message, remedy, isMissing, retryAfterMs } = judgeProblem(error);
    const wasListing = this.#mustList;
    const backoff = wasListing ? this.#listBackoff : this.#watchBackoff;
    const isFirst = backoff.failures === 0;
    const pauseMs = Math.max(retryAfterMs, backoff.next());
    const text = error instanceof Error ? error.message : String(error);
    // The same again and again is said once.
    if (this.#problem === text) this.#logger.debug(message, { problem: text });
    else this.#logger.warn(message, { problem: text });
    this.#problem = text;
    if (wasListing && isGone(error)) this.#expiredLists++;
    if (remedy === 'relist' || this.#watchBackoff.failures >= maxWatchFailures) this.#mustList = true;
    if (isMissing && wasListing) this.#noteMissing();
    else this.#missingSinceMs = undefined;
    // An expired resource version is no fault of the API server: it needs no rest, unless it happens again at once.
    const isExpiry = isFirst && !wasListing && remedy === 'relist' && retryAfterMs === 0;
    const { missingMaxMs = 5_000 } = this.#options;
    if (!isExpiry) await this.#pause(isMissing ? Math.min(pauseMs, missingMaxMs) : pauseMs, signal);
  }

  /** While an API server starts, it may deny kinds for a moment; only one that is gone for long has no objects. */
  #noteMissing(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#missingSinceMs ??= nowMs;
    const { store, goneAfterMs = 30_000 } = this.#options;
    if (!store.hasSynced || store.size === 0 || nowMs - this.#missingSinceMs < goneAfterMs) return;
    this.#logger.warn('The kind is gone from the API server; its objects are withdrawn', { objects: store.size });
    store.replace([]);
  }

  async #pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    this.#phase = 'waiting';
    await sleep(this.#clock, pauseMs, signal);
  }
}
