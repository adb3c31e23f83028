import type { EventHandler } from '../runtime/event-handler.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import type { Predicate } from '../runtime/predicate.ts';
import type { Reconciler } from '../runtime/reconciler.ts';
import type { Source } from '../runtime/source.ts';

/** A source, and how its events become names to reconcile. */
export interface Watch {
  readonly source: Source;
  readonly handler: EventHandler;
  readonly predicates: readonly Predicate[];
}

/** What a controller is made of: whoever runs it, in whatever order, reaches the same mesh. */
export interface Wiring {
  /** Names the controller: its kind, in lower case. */
  readonly name: string;
  readonly reconciler: Reconciler;
  readonly watches: readonly Watch[];
}

/** A watch of one kind, among those of others. */
export function watch<T extends KubernetesObject>(
  source: Source<T>,
  handler: EventHandler<T>,
  ...predicates: Predicate<T>[]
): Watch {
  return { source, handler, predicates } as unknown as Watch;
}
