import type { JsonPatchOperation } from '../client/patch.ts';

/** A group, a version and a kind. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** A group, a version and a plural. */
export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** What the API server asks: admission.k8s.io/v1 AdmissionRequest, unchanged. */
export interface AdmissionRequest {
  /** Names this question; the server repeats it in the answer. */
  readonly uid: string;
  /** As the webhook is configured to see it; the object is converted to it. */
  readonly kind: GroupVersionKind;
  readonly resource: GroupVersionResource;
  readonly subResource?: string;
  /** As the client sent it. */
  readonly requestKind?: GroupVersionKind;
  readonly requestResource?: GroupVersionResource;
  readonly requestSubResource?: string;
  /** Empty or absent where the API server is to choose it. */
  readonly name?: string;
  /** Absent for cluster-scoped objects. */
  readonly namespace?: string;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly userInfo: {
    readonly username?: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  /** The new object; absent for DELETE. Not checked: an object of any shape that its kind's schema lets through. */
  readonly object?: unknown;
  /** The present object, for UPDATE and DELETE. */
  readonly oldObject?: unknown;
  /** Nothing will be stored: the handler must have no effect outside of its answer. */
  readonly dryRun?: boolean;
  /** CreateOptions, UpdateOptions, DeleteOptions or PatchOptions. */
  readonly options?: unknown;
}

interface Remarks {
  /** Shown to whoever sent the request; each is best kept below 120 characters. */
  readonly warnings?: readonly string[];
  /** For the audit log; the API server puts the webhook's name before each key. */
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

/** An answer. The API server counts `errored` as a refusal; to let its failurePolicy decide, throw. */
export type AdmissionResponse = Remarks &
  (
    | { readonly type: 'allowed' }
    /** Allowed, with the object changed so. */
    | { readonly type: 'patched'; readonly patch: readonly JsonPatchOperation[] }
    /** 403 Forbidden with this message, for the one who sent the request. */
    | { readonly type: 'denied'; readonly message: string }
    /** Refused with another HTTP status: 422 for what is invalid, for instance. */
    | { readonly type: 'errored'; readonly code: number; readonly message: string }
  );

/** Decides on requests. The signal aborts when the API server does not wait any longer. To throw is answered with HTTP 500. */
export type AdmissionHandler = (
  request: AdmissionRequest,
  context: {
    readonly signal: AbortSignal;
    /** Of the request's URL; below the registered one where that ends in `/*`. */
    readonly path?: string;
  },
) => AdmissionResponse | Promise<AdmissionResponse>;

/** Lets the request pass as it is. */
export function allowed(remarks: Remarks = {}): AdmissionResponse {
  return { ...remarks, type: 'allowed' };
}

/** Lets the request pass with the object changed. No operations: as it is. */
export function patched(patch: readonly JsonPatchOperation[], remarks: Remarks = {}): AdmissionResponse {
  return { ...remarks, type: 'patched', patch };
}

/** Refuses the request: 403 with this message. */
export function denied(message: string, remarks: Remarks = {}): AdmissionResponse {
  return { ...remarks, type: 'denied', message };
}

/** Refuses the request with an HTTP status of one's own. */
export function errored(code: number, message: string, remarks: Remarks = {}): AdmissionResponse {
  return { ...remarks, type: 'errored', code, message };
}
