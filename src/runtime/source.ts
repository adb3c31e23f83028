import type { Event } from './event.ts';
import type { KubernetesObject } from './object.ts';

/** Takes the events of a source, in order, each object's create before its updates. */
export type EventListener<T extends KubernetesObject = KubernetesObject> = (event: Event<T>) => void;

/** Where a controller's events come from. */
export interface Source<T extends KubernetesObject = KubernetesObject> {
  /** For logs and errors. */
  readonly name: string;
  /** Delivers events to the listener from now until `signal` aborts. Must not wait for the first list: that is {@link waitForSync}. */
  start(listener: EventListener<T>, signal: AbortSignal): void | Promise<void>;
  /** Resolves when the first list has been delivered; rejects with the signal's reason if that aborts first. Absent: nothing to wait for. */
  waitForSync?(signal: AbortSignal): Promise<void>;
}
