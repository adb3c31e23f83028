import type { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { Controller, type ControllerOptions } from './controller.ts';
import { type EventHandler, enqueueRequestForObject, enqueueRequestForOwner } from './event-handler.ts';
import type { Logger } from './logger.ts';
import type { KubernetesObject } from './object.ts';
import type { Predicate } from './predicate.ts';
import { type Reconciler, reconcilerOf } from './reconciler.ts';
import type { ResourceKind } from './resource-kind.ts';
import type { Runnable } from './runnable.ts';
import type { Source } from './source.ts';

/** What the builder needs of a manager. */
export interface ControllerHost {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly registry: Registry;
  /** The events of a kind. */
  sourceOf<T extends KubernetesObject>(kind: ResourceKind<T>): Source<T>;
  /** Throws if there is a controller of this name already. */
  add(runnable: Runnable): void;
}

/** How a controller runs. `group` must be given: there is no default that is safe to forget. */
export type BuiltControllerOptions = Pick<ControllerOptions, 'group'> &
  Omit<Partial<ControllerOptions>, 'name' | 'group' | 'reconciler'>;

export interface OwnsOptions {
  /** Every owner of the kind is reconciled. Default false: the managing owner alone. */
  readonly matchEveryOwner?: boolean;
}

interface Watch {
  readonly source: Source;
  readonly handler: EventHandler;
  readonly predicates: readonly Predicate[];
}

/** Begins a controller that the manager will start. */
export function controllerManagedBy(manager: ControllerHost): ControllerBuilder {
  return new ControllerBuilder(manager);
}

/** Says what a controller watches and how it runs; {@link complete} makes it. */
export class ControllerBuilder {
  readonly #manager: ControllerHost;
  readonly #owned: { readonly kind: ResourceKind; readonly options: OwnsOptions; readonly predicates: readonly Predicate[] }[] =
    [];
  readonly #watched: {
    readonly of: ResourceKind | Source;
    readonly handler: EventHandler;
    readonly predicates: readonly Predicate[];
  }[] = [];
  readonly #filters: Predicate[] = [];
  #reconciled: { readonly kind: ResourceKind; readonly predicates: readonly Predicate[] } | undefined;
  #name: string | undefined;
  #options: BuiltControllerOptions | undefined;

  constructor(manager: ControllerHost) {
    this.#manager = manager;
  }

  /** The kind whose objects are reconciled. Throws when called twice. */
  for<T extends KubernetesObject>(kind: ResourceKind<T>, ...predicates: Predicate<T>[]): this {
    if (this.#reconciled)
      throw new Error(`for(${kind.kind}): a controller reconciles one kind, this one ${this.#reconciled.kind.kind} already`);
    this.#reconciled = { kind, predicates } as unknown as { kind: ResourceKind; predicates: Predicate[] };
    return this;
  }

  /** A kind whose objects the reconciler makes: their owner, of the kind given to {@link for}, is reconciled when one changes. */
  owns<T extends KubernetesObject>(kind: ResourceKind<T>, options: OwnsOptions = {}, ...predicates: Predicate<T>[]): this {
    this.#owned.push({ kind, options, predicates: predicates as unknown as Predicate[] });
    return this;
  }

  /** Another kind of the cluster, or a source of any sort, and what its events mean for the reconciler. */
  watches<T extends KubernetesObject>(
    of: ResourceKind<T> | Source<T>,
    handler: EventHandler<T>,
    ...predicates: Predicate<T>[]
  ): this {
    const watch = { of, handler, predicates } as unknown as {
      of: ResourceKind | Source;
      handler: EventHandler;
      predicates: Predicate[];
    };
    this.#watched.push(watch);
    return this;
  }

  /** A predicate for the events of every kind; not of sources given to {@link watches}, as in controller-runtime. */
  withEventFilter(predicate: Predicate): this {
    this.#filters.push(predicate);
    return this;
  }

  /** For logs and metrics. Default: the reconciled kind in lower case. */
  named(name: string): this {
    this.#name = name;
    return this;
  }

  /** Which replicas run the controller, how many workers it has, and so on. */
  withOptions(options: BuiltControllerOptions): this {
    this.#options = options;
    return this;
  }

  /** Makes the controller and gives it to the manager. Throws, saying what is missing, if there is nothing to watch or no group. */
  complete(reconciler: Reconciler | Reconciler['reconcile']): Controller {
    const name = this.#name ?? this.#reconciled?.kind.kind.toLowerCase();
    if (name === undefined) throw new Error('a controller needs a name: call for() or named()');
    if (!this.#options) throw new Error(`controller ${name}: call withOptions({ group }) to say which replicas run it`);
    if (this.#owned.length > 0 && !this.#reconciled)
      throw new Error(`controller ${name}: owns() needs for(), the kind of the owner`);
    if (!this.#reconciled && this.#watched.length === 0)
      throw new Error(`controller ${name} watches nothing and would never run: call for() or watches()`);
    const { logger, clock, registry } = this.#manager;
    const controller = new Controller({
      logger,
      clock,
      registry,
      ...this.#options,
      name,
      reconciler: typeof reconciler === 'function' ? reconcilerOf(reconciler) : reconciler,
    });
    for (const { source, handler, predicates } of this.#watches()) controller.watch(source, handler, ...predicates);
    this.#manager.add(controller);
    return controller;
  }

  #watches(): Watch[] {
    const kindSource = (kind: ResourceKind, predicates: readonly Predicate[]) => ({
      source: this.#manager.sourceOf(kind),
      predicates: [...this.#filters, ...predicates],
    });
    const watches: Watch[] = [];
    const owner = this.#reconciled;
    if (owner) watches.push({ ...kindSource(owner.kind, owner.predicates), handler: enqueueRequestForObject });
    for (const { kind, options, predicates } of this.#owned) {
      const handler = enqueueRequestForOwner(owner!.kind, { onlyController: !options.matchEveryOwner });
      watches.push({ ...kindSource(kind, predicates), handler });
    }
    for (const { of, handler, predicates } of this.#watched) {
      watches.push('plural' in of ? { ...kindSource(of, predicates), handler } : { source: of, handler, predicates });
    }
    return watches;
  }
}
