import type { Event } from './event.ts';
import { type DeepReadonly, type KubernetesObject, type ObjectName, objectName } from './object.ts';
import { groupOf } from './owner-reference.ts';
import type { AddingQueue } from './queue/work-queue.ts';
import type { ResourceKind } from './resource-kind.ts';

/** Priority of what can wait: objects of the first list, and updates that changed nothing. controller-runtime's LowPriority. */
export const lowPriority = -100;

/**
 * Turns an event of a watched object into names to reconcile. Adds without a priority get the event's own: low for the first
 * list and for updates that changed nothing, 0 for everything else.
 */
export type EventHandler<T extends KubernetesObject = KubernetesObject> = (event: Event<T>, queue: AddingQueue) => void;

/** A handler with one function per type of event; types without one are dropped. */
export function eventHandlerOf<T extends KubernetesObject>(functions: {
  readonly create?: (event: Extract<Event<T>, { type: 'create' }>, queue: AddingQueue) => void;
  readonly update?: (event: Extract<Event<T>, { type: 'update' }>, queue: AddingQueue) => void;
  readonly delete?: (event: Extract<Event<T>, { type: 'delete' }>, queue: AddingQueue) => void;
  readonly generic?: (event: Extract<Event<T>, { type: 'generic' }>, queue: AddingQueue) => void;
}): EventHandler<T> {
  return (event, queue) => {
    switch (event.type) {
      case 'create':
        return functions.create?.(event, queue);
      case 'update':
        return functions.update?.(event, queue);
      case 'delete':
        return functions.delete?.(event, queue);
      case 'generic':
        return functions.generic?.(event, queue);
    }
  };
}

/** Reconciles the object that the event is about. */
export const enqueueRequestForObject: EventHandler = (event, queue) => {
  queue.add(objectName(event.type === 'update' ? event.objectNew : event.object));
};

/** Reconciles the names that `map` finds for the object; for an update those of the old and of the new one. */
export function enqueueRequestsFromMapFunc<T extends KubernetesObject>(
  map: (object: DeepReadonly<T>) => Iterable<ObjectName>,
): EventHandler<T> {
  return (event, queue) => {
    const objects = event.type === 'update' ? [event.objectOld, event.objectNew] : [event.object];
    const names = new Set<ObjectName>();
    for (const object of objects) for (const name of map(object)) names.add(name);
    for (const name of names) queue.add(name);
  };
}

/**
 * Reconciles the owners of the object that are of this kind, by group and kind whatever the version; for an update those of the old
 * and of the new one, so that an owner hears that it has lost an object.
 */
export function enqueueRequestForOwner<T extends KubernetesObject>(
  ownerKind: ResourceKind<T>,
  /** `onlyController`: the managing owner alone. Default false: all of them. */
  { onlyController = false }: { readonly onlyController?: boolean } = {},
): EventHandler {
  return enqueueRequestsFromMapFunc((object) => {
    const owners = (object.metadata.ownerReferences ?? []).filter(
      (owner) =>
        owner.kind === ownerKind.kind && groupOf(owner.apiVersion) === ownerKind.group && (!onlyController || owner.controller),
    );
    const namespace = ownerKind.scope === 'Namespaced' ? object.metadata.namespace : '';
    return owners.map(({ name }) => (namespace === '' ? name : `${namespace}/${name}`));
  });
}

/** The queue as a handler of this event sees it: `whenUnchanged` is the priority for the first list and for empty updates. */
export function queueForEvent(queue: AddingQueue, event: Event, whenUnchanged: number): AddingQueue {
  if (!tellsNothingNew(event)) return queue;
  return {
    add: (key) => queue.addWithOptions({ priority: whenUnchanged }, key),
    addWithOptions: (options, ...keys) =>
      queue.addWithOptions({ ...options, priority: options.priority ?? whenUnchanged }, ...keys),
  };
}

function tellsNothingNew(event: Event): boolean {
  if (event.type === 'create') return event.isInInitialList;
  return event.type === 'update' && event.objectOld.metadata.resourceVersion === event.objectNew.metadata.resourceVersion;
}
