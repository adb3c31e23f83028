import { hash } from 'node:crypto';
import type { KubernetesObject } from '../../runtime/object.ts';
import type { ResourceKind } from '../../runtime/resource-kind.ts';

/** What a document says, before the source adds what an API server would: uid, generation, resource version. */
export interface Content {
  readonly object: KubernetesObject;
  /** Of everything in the object; equal for documents that differ only in comments, layout or the order of keys. */
  readonly contentHash: string;
  /** Of everything that counts for the generation: all but metadata and status. */
  readonly specHash: string;
}

/** Annotations that tools leave behind and no one reads; the first holds a second copy of the object. */
const droppedAnnotations = ['kubectl.kubernetes.io/last-applied-configuration'];

/** The object in the shape in which the cache keeps it: the kind's own version, metadata cut to what is read. */
export function contentOf(kind: ResourceKind, value: Record<string, unknown>, defaultNamespace: string): Content {
  const { apiVersion: _apiVersion, kind: _kind, metadata: given, ...rest } = value;
  const metadata = given as Record<string, unknown>;
  const annotations = { ...(metadata.annotations as Record<string, string> | null | undefined) };
  for (const key of droppedAnnotations) delete annotations[key];
  const { creationTimestamp } = metadata;
  const slim = {
    apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}`,
    kind: kind.kind,
    metadata: {
      name: metadata.name,
      namespace: kind.scope === 'Cluster' ? '' : metadata.namespace || defaultNamespace,
      creationTimestamp: typeof creationTimestamp === 'string' ? new Date(creationTimestamp).toISOString() : undefined,
      labels: isEmpty(metadata.labels) ? undefined : metadata.labels,
      annotations: isEmpty(annotations) ? undefined : annotations,
    },
    ...rest,
  };
  // Through JSON: strings that do not hold on to the text of the file, and the shapes that the engine shares between objects.
  const object = JSON.parse(JSON.stringify(slim)) as KubernetesObject & { status?: unknown };
  const { apiVersion: _version, kind: _name, metadata: _metadata, status: _status, ...spec } = object;
  return { object, contentHash: hashText(canonicalJson(object)), specHash: hashText(canonicalJson(spec)) };
}

/** A short digest for comparing contents; not for security. */
export function hashText(text: string): string {
  return hash('sha256', text, 'buffer').toString('base64url', 0, 16);
}

/** A uid that an object has in every process and after every restart, made of its names. */
export function uidOf(kind: ResourceKind, namespace: string, name: string): string {
  const hex = hash('sha256', JSON.stringify([kind.group, kind.kind, namespace, name]), 'hex');
  // RFC 9562: version 8 is for layouts of one's own.
  // Joined, because a template keeps its parts: three times the memory.
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}

/** JSON with sorted keys: equal for equal values. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const record = value as Record<string, unknown>;
  const entries = Object.keys(record)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(record[key])}`);
  return `{${entries.join()}}`;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || Object.keys(value).length === 0;
}
