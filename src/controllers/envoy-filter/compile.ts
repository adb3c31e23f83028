import { hash } from 'node:crypto';
import { proxyVersionLimit } from '../../api/envoy-filter/match.ts';
import { readPatchValue } from '../../api/envoy-filter/patch-value.ts';
import { compileRe2 } from '../../api/envoy-filter/re2.ts';
import type {
  ApplyTo,
  EnvoyFilter,
  EnvoyFilterConfigPatch,
  EnvoyFilterMatch,
  PatchOperation,
} from '../../api/envoy-filter/schema.ts';
import { envoyTypes } from '../../envoy/registry.ts';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { objectKey } from '../../mesh/object-key.ts';
import type { DeepReadonly } from '../../runtime/object.ts';
import { type Compiled, createdAtMs } from '../fragment-reconciler.ts';

/** An EnvoyFilter as the mesh reads it: values read as the messages that they patch, once, and version patterns compiled. */
export function compileEnvoyFilter(object: DeepReadonly<EnvoyFilter>): Compiled {
  const { metadata, spec } = object;
  const { generation = 0, namespace, name } = metadata;
  const labels = spec.workloadSelector?.labels ?? {};
  const quarantine = quarantineOf(object);
  return {
    outcome: 'accepted',
    fragment: {
      kind: 'envoyFilter',
      envoyFilter: {
        key: objectKey('EnvoyFilter', namespace, name),
        namespace,
        name,
        version: versionOf(object),
        generation,
        ...(quarantine === undefined ? {} : { quarantine }),
        createdAtMs: createdAtMs(object),
        priority: spec.priority ?? 0,
        ...(Object.keys(labels).length ? { workloadSelector: labels } : {}),
        hasTargetRefs: Boolean(spec.targetRefs?.length),
        patches: (spec.configPatches ?? []).map((patch, index) => compilePatch(patch as EnvoyFilterConfigPatch, index)),
      },
    },
  };
}

/** The content is part of it: a file that is taken away and put back starts again at generation 1. */
function versionOf({ metadata: { uid = '', generation = 0 }, spec }: DeepReadonly<EnvoyFilter>): string {
  return `${uid}/${generation}/${hash('sha1', JSON.stringify(spec), 'base64url').slice(0, 11)}`;
}

/**
 * What the status says of this very generation that its meaning depends on: that it is in quarantine, which another replica may have found
 * out. Not in which words, so that a status in other words is nothing new.
 */
export function readEnvoyFilterStatus(object: DeepReadonly<EnvoyFilter>): string {
  return quarantineOf(object) === undefined ? '' : 'quarantined';
}

/** What an earlier leader found out about this very generation, and wrote down. */
function quarantineOf({ metadata: { generation }, status }: DeepReadonly<EnvoyFilter>): string | undefined {
  const condition = status?.conditions?.find(({ type, reason }) => type === 'Programmed' && reason === 'Quarantined');
  return condition && condition.observedGeneration === generation ? (condition.message ?? '') : undefined;
}

/** Insertion has a place only among filters and routes; elsewhere it is adding (Istio's rule). */
const orderedParts: ReadonlySet<ApplyTo> = new Set(['LISTENER_FILTER', 'NETWORK_FILTER', 'HTTP_FILTER', 'HTTP_ROUTE']);

/** Validated before: `applyTo`, `patch` and its operation are there, the value fits. */
function compilePatch({ applyTo, match = {}, patch = {} }: EnvoyFilterConfigPatch, index: number): EnvoyFilterPatch {
  const part = applyTo as ApplyTo;
  const operation = patch.operation as PatchOperation;
  const proxyVersion = versionPatternOf(match);
  const { metadata = {} } = match.proxy ?? {};
  const value = operation === 'REMOVE' || !patch.value ? undefined : readPatchValue(part, patch.value, envoyTypes());
  return {
    index,
    applyTo: part,
    operation: operation.startsWith('INSERT_') && !orderedParts.has(part) ? 'ADD' : operation,
    filterClass: patch.filterClass ?? 'UNSPECIFIED',
    context: match.context ?? 'ANY',
    ...(proxyVersion ? { proxyVersion } : {}),
    ...(Object.keys(metadata).length ? { metadata } : {}),
    ...(match.listener ? { listener: match.listener } : {}),
    ...(match.routeConfiguration ? { routeConfiguration: match.routeConfiguration } : {}),
    ...(match.cluster ? { cluster: match.cluster } : {}),
    ...(value ? { value } : {}),
  };
}

const nothing = /(?!)/;

/** A pattern that is too long matches no proxy, as in Istio. */
function versionPatternOf({ proxy }: EnvoyFilterMatch): RegExp | undefined {
  const { proxyVersion = '' } = proxy ?? {};
  if (proxyVersion === '') return undefined;
  return proxyVersion.length > proxyVersionLimit ? nothing : (compileRe2(proxyVersion).pattern ?? nothing);
}
