import { envoyFilterKind } from './envoy-filter/kind.ts';
import type { MeshKind } from './kind.ts';
import { serviceEntryKind } from './service-entry/kind.ts';
import { sidecarKind } from './sidecar/kind.ts';
import { workloadEntryKind } from './workload-entry/kind.ts';

export type { ConnectionPoolSettings } from './connection-pool.ts';
export { parseDurationMs } from './duration.ts';
export { envoyFilterKind } from './envoy-filter/kind.ts';
export { effectiveOperations, patchedMessages } from './envoy-filter/operations.ts';
export { readPatchValue } from './envoy-filter/patch-value.ts';
export { type CompiledPattern, compileRe2 } from './envoy-filter/re2.ts';
export type {
  ApplyTo,
  EnvoyFilter,
  EnvoyFilterConfigPatch,
  EnvoyFilterMatch,
  EnvoyFilterPatch,
  EnvoyFilterSpec,
  PatchContext,
  PatchOperation,
} from './envoy-filter/schema.ts';
export { type Finding, formatFinding, formatPath, hasErrors } from './finding.ts';
export { isWildcardHost } from './hostname.ts';
export { type MeshKind, networkingGroup, networkingVersions, type PrinterColumn, type ValidationContext } from './kind.ts';
export type { Labels } from './label.ts';
export { isHttp, isHttp2, isSniffed, isTcp, isTls, type Protocol, parseProtocol, protocolNames } from './protocol.ts';
export type { WorkloadSelector } from './selector.ts';
export type { ServerTlsSettings } from './server-tls.ts';
export { serviceEntryKind } from './service-entry/kind.ts';
export type { Location, Resolution, ServiceEntry, ServiceEntrySpec, ServicePort } from './service-entry/schema.ts';
export { type EgressHost, parseEgressHost } from './sidecar/egress-hosts.ts';
export { sidecarKind } from './sidecar/kind.ts';
export type {
  CaptureMode,
  Destination,
  IstioEgressListener,
  IstioIngressListener,
  OutboundTrafficPolicy,
  Sidecar,
  SidecarPort,
  SidecarSpec,
} from './sidecar/schema.ts';
export {
  type Condition,
  type ConditionType,
  conditionTypes,
  type MeshStatus,
  type Propagation,
  type Rejection,
  type ServiceEntryAddress,
  type ServiceEntryStatus,
  type ValidationMessage,
} from './status.ts';
export type { PolicyTargetReference } from './target-ref.ts';
export { validate } from './validate.ts';
export { workloadEntryKind } from './workload-entry/kind.ts';
export type { WorkloadEntry, WorkloadEntrySpec } from './workload-entry/schema.ts';

/** Every kind of the mesh's API. */
export const meshKinds: readonly MeshKind[] = [serviceEntryKind, sidecarKind, envoyFilterKind, workloadEntryKind];

/** The mesh kind that an object of an `apiVersion` and `kind` belongs to, whichever version it is written in; undefined for others. */
export function meshKindOf(apiVersion: string, kind: string): MeshKind | undefined {
  return meshKinds.find((candidate) => candidate.kind === kind && apiVersion.startsWith(`${candidate.group}/`));
}
