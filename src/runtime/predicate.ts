import type { Event } from './event.ts';
import type { DeepReadonly, KubernetesObject } from './object.ts';

/** Lets an event through to its handler. Does not affect what the cache holds. */
export type Predicate<T extends KubernetesObject = KubernetesObject> = (event: Event<T>) => boolean;

/** An update passes if `changed` says so; every other event passes. */
export function whenChanged<T extends KubernetesObject>(
  changed: (objectOld: DeepReadonly<T>, objectNew: DeepReadonly<T>) => boolean,
): Predicate<T> {
  return (event) => event.type !== 'update' || changed(event.objectOld, event.objectNew);
}

/** Every event passes whose object (for updates the new one) does. */
export function objectMatches<T extends KubernetesObject>(matches: (object: DeepReadonly<T>) => boolean): Predicate<T> {
  return (event) => matches(event.type === 'update' ? event.objectNew : event.object);
}

/** Drops updates that left `metadata.generation` alone: those of status and metadata only. */
export const generationChanged: Predicate = whenChanged((a, b) => a.metadata.generation !== b.metadata.generation);

/** Drops updates that left the labels alone. Usually joined to {@link generationChanged} by {@link or}. */
export const labelChanged: Predicate = whenChanged((a, b) => !sameEntries(a.metadata.labels, b.metadata.labels));

/** Drops updates that left the annotations alone. Usually joined to {@link generationChanged} by {@link or}. */
export const annotationChanged: Predicate = whenChanged((a, b) => !sameEntries(a.metadata.annotations, b.metadata.annotations));

/** Drops updates without any change: what a periodic resync delivers. */
export const resourceVersionChanged: Predicate = whenChanged((a, b) => a.metadata.resourceVersion !== b.metadata.resourceVersion);

/** Passes what all of them pass; everything if there is none. */
export function and<T extends KubernetesObject>(...predicates: Predicate<T>[]): Predicate<T> {
  return (event) => predicates.every((predicate) => predicate(event));
}

/** Passes what any of them passes; nothing if there is none. */
export function or<T extends KubernetesObject>(...predicates: Predicate<T>[]): Predicate<T> {
  return (event) => predicates.some((predicate) => predicate(event));
}

/** Passes what the other does not. */
export function not<T extends KubernetesObject>(predicate: Predicate<T>): Predicate<T> {
  return (event) => !predicate(event);
}

function sameEntries(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
