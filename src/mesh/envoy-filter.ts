import type { Message } from '@bufbuild/protobuf';
import type {
  ApplyTo,
  EnvoyFilterMatch,
  PatchContext,
  PatchOperation,
  EnvoyFilterPatch as PatchSpec,
} from '../api/envoy-filter/schema.ts';
import type { ObjectKey } from './object-key.ts';

/** One entry of an EnvoyFilter's `configPatches`, compiled. Immutable, `value` too: whoever applies it works on a copy. */
export interface EnvoyFilterPatch {
  /** Its place in `spec.configPatches`: how status names it. */
  readonly index: number;
  readonly applyTo: ApplyTo;
  readonly operation: PatchOperation;
  readonly filterClass: NonNullable<PatchSpec['filterClass']>;
  readonly context: PatchContext;
  /** What the proxy's Istio (or Weft) version must match, unanchored; absent: any. */
  readonly proxyVersion?: RegExp;
  /** Entries that the proxy's node metadata must have. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly listener?: EnvoyFilterMatch['listener'];
  readonly routeConfiguration?: EnvoyFilterMatch['routeConfiguration'];
  readonly cluster?: EnvoyFilterMatch['cluster'];
  /** The value as the message that `applyTo` names (`patchedMessages`); absent for REMOVE. */
  readonly value?: Message;
}

/** An EnvoyFilter object, compiled. Immutable. */
export interface EnvoyFilter {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  /** Tells two states of the object apart: `<uid>/<generation>`, or whatever the source has. */
  readonly version: string;
  /** `metadata.generation`; 0 where the source has none. */
  readonly generation: number;
  /** Set where the object's own status says that proxies refused this very generation: it is not to be tried again. Envoy's words. */
  readonly quarantine?: string;
  readonly createdAtMs: number;
  /** Smaller first; default 0. */
  readonly priority: number;
  /** Absent: every workload of the namespace (in the root namespace: of the mesh). */
  readonly workloadSelector?: Readonly<Record<string, string>>;
  /** Set where the object names what it is for instead of selecting workloads: no sidecar is one (Istio: gateways and waypoints). */
  readonly hasTargetRefs: boolean;
  readonly patches: readonly EnvoyFilterPatch[];
}

/** An EnvoyFilter that is in force for a proxy, with those of its patches whose `match.proxy` and context fit it. */
export interface SelectedEnvoyFilter {
  readonly filter: EnvoyFilter;
  readonly patches: readonly EnvoyFilterPatch[];
}
