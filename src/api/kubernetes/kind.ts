import type { KubernetesObject, ObjectMeta } from '../../runtime/object.ts';
import type { ResourceKind } from '../../runtime/resource-kind.ts';

/** A kind of Kubernetes' own, of whose objects only what Weft reads is kept. */
export interface KubernetesKind<T extends KubernetesObject = KubernetesObject> extends ResourceKind<T> {
  /**
   * Takes an object as the API server sends it (JSON) and answers what is kept of it: a new object that holds on to nothing else.
   * Slimming a slim object changes nothing.
   */
  slim(object: unknown): T;
}

/** What the API server sends, as far as it is to be read: any field may be missing. */
export interface SentObject {
  readonly metadata?: Partial<ObjectMeta>;
}

/** Which of an object's labels and annotations are read. */
export interface KeptMetadata {
  /** Names of labels; default: none. */
  readonly labels?: readonly string[] | 'all';
  /** Names of annotations; default: none. */
  readonly annotations?: readonly string[];
}

/** The metadata of an object without what nobody reads: above all `managedFields`, often the larger part of an object. */
export function slimMetadata(sent: SentObject, kept: KeptMetadata = {}): ObjectMeta {
  const { name = '', namespace = '', uid, resourceVersion, creationTimestamp, deletionTimestamp } = sent.metadata ?? {};
  const { labels, annotations } = sent.metadata ?? {};
  return defined<ObjectMeta>({
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    deletionTimestamp,
    labels: kept.labels === 'all' ? copyOf(labels) : pick(labels, kept.labels ?? []),
    annotations: pick(annotations, kept.annotations ?? []),
  });
}

/** An object without the fields that have no value. */
export function defined<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(present) as unknown as T;
}

function copyOf(entries: Record<string, string> | undefined): Record<string, string> | undefined {
  return entries && Object.keys(entries).length ? { ...entries } : undefined;
}

function pick(entries: Record<string, string> | undefined, names: readonly string[]): Record<string, string> | undefined {
  const found = names.filter((name) => entries?.[name] !== undefined);
  return found.length ? Object.fromEntries(found.map((name) => [name, entries![name]!])) : undefined;
}
