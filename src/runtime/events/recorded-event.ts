import { randomBytes } from 'node:crypto';
import { microTime } from '../micro-time.ts';
import type { DeepReadonly, KubernetesObject, ObjectMeta } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';

/** An events.k8s.io/v1 Event: what `kubectl describe` lists below an object. */
export interface RecordedEvent extends KubernetesObject {
  metadata: ObjectMeta;
  /** MicroTime of the first occurrence. */
  eventTime: string;
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  note: string;
  reportingController: string;
  reportingInstance: string;
  regarding: ObjectReference;
  related?: ObjectReference;
  /** From the second occurrence on. */
  series?: EventSeries;
}

/** How often an event has occurred. */
export interface EventSeries {
  count: number;
  /** MicroTime. */
  lastObservedTime: string;
}

/** Names an object for people and tools that read events. */
export interface ObjectReference {
  apiVersion: string;
  kind: string;
  namespace?: string;
  name: string;
  uid?: string;
  resourceVersion?: string;
}

/** How events are named and served. */
export const eventKind: ResourceKind<RecordedEvent> = {
  group: 'events.k8s.io',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
};

/** What has happened to an object. */
export interface Occurrence {
  /** `Warning` if somebody should look at it. */
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase, for programs and for lists; at most 128 characters. */
  readonly reason: string;
  /** A sentence for people; cut at 1,024 bytes. */
  readonly note: string;
  /** What was done or attempted, in one word. Default: the reason. */
  readonly action?: string;
  /** A second object that had a part in it. */
  readonly related?: DeepReadonly<KubernetesObject>;
}

/** Who records. */
export interface EventReporter {
  /** A qualified name: `example.com/operator`, or one word. */
  readonly controller: string;
  /** At most 128 characters. */
  readonly instance: string;
}

/** What makes two occurrences one event with a count. */
export function occurrenceKey(
  object: DeepReadonly<KubernetesObject>,
  { type, reason, note, action, related }: Occurrence,
): string {
  return JSON.stringify([referenceKey(object), type, reason, note, action, related && referenceKey(related)]);
}

/** An object, whatever its version: the same before and after a change, another one after it was made anew. */
export function referenceKey({ kind, metadata }: DeepReadonly<KubernetesObject>): string {
  return `${kind}/${metadata.namespace}/${metadata.name}/${metadata.uid ?? ''}`;
}

/** The event of a first occurrence. */
export function makeEvent(
  object: DeepReadonly<KubernetesObject>,
  occurrence: Occurrence,
  reporter: EventReporter,
  nowMs: number,
): RecordedEvent {
  const { type, reason, note, action = reason, related } = occurrence;
  return {
    apiVersion: `${eventKind.group}/${eventKind.version}`,
    kind: eventKind.kind,
    // The API server takes events about objects without a namespace in this one only.
    metadata: { name: eventName(object.metadata.name), namespace: object.metadata.namespace || 'default' },
    eventTime: microTime(nowMs),
    type,
    reason: reason.slice(0, 128),
    action: action.slice(0, 128),
    note: cutToBytes(note, 1024),
    reportingController: reporter.controller,
    reportingInstance: reporter.instance,
    regarding: referenceTo(object),
    ...(related && { related: referenceTo(related) }),
  };
}

/** How an object is named in an event. */
export function referenceTo({ apiVersion, kind, metadata }: DeepReadonly<KubernetesObject>): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion, kind, ...(namespace !== '' && { namespace }), name, uid, resourceVersion };
}

/** Begins with the object's name where that makes a valid one. */
function eventName(objectName: string): string {
  const unique = randomBytes(8).toString('hex');
  return /^[a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?$/.test(objectName) ? `${objectName}.${unique}` : unique;
}

function cutToBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  // A character that was cut in half decodes to the replacement character.
  const cut = Buffer.from(text)
    .subarray(0, maxBytes - 3)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  return `${cut}…`;
}
