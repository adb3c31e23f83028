import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '../../envoy/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '../../envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { envoyTypes } from '../../envoy/registry.ts';
import { type Resource, type ResourceReference, typeUrls } from '../../envoy/resource.ts';
import type { EnvoyFilterPatch, SelectedEnvoyFilter } from '../../mesh/envoy-filter.ts';
import { versionOf } from '../seal.ts';
import { mayTouch } from './matches.ts';
import { patchCluster } from './patch-cluster.ts';
import { patchListener } from './patch-listener.ts';
import type { FailedPatch, PatchOutcome, PatchReference } from './patch-outcome.ts';
import { patchRoutes } from './patch-routes.ts';
import { type OwnedPatch, PatchFailure, PatchRun } from './patch-run.ts';
import { type KnownBytes, knownOf, type PatchedContent } from './patched-content.ts';
import { listenerReferences } from './references.ts';

/**
 * Applies the filters to one resource, as Istio orders patches: by what they are for (a listener, then its chains, then their filters),
 * and among those for the same by filter as given, and by index. The resource given is not changed. What comes out is computed once for
 * the same bytes and the same patches, whichever resource they are of, and for the same resource it is the same object.
 */
export function patchResource(base: Resource, filters: readonly SelectedEnvoyFilter[]): PatchOutcome {
  const known = knownOf(base);
  const isWithoutHttp = base.typeUrl === typeUrls.listener && !mayHaveConnectionManager(base, filters, known);
  let result = known.untouched;
  for (const { patches } of filters) {
    for (const patch of patches) if (isRelevant(patch, base, isWithoutHttp)) result = result.behind(patch);
  }
  if (result === known.untouched) return { resource: base, matched: [], failed: [] };
  let outcome = result.outcomes.get(base);
  if (!outcome) {
    result.content ??= apply(base, relevantPatches(base, filters, isWithoutHttp));
    const { content } = result;
    outcome = { resource: resourceOf(base, content), matched: content.matched, failed: content.failed };
    result.outcomes.set(base, outcome);
  }
  return outcome;
}

/** Whether a patch may touch the resource. Those for HTTP filters do not where there is no connection manager and none may come. */
function isRelevant(patch: EnvoyFilterPatch, base: Resource, isWithoutHttp: boolean): boolean {
  return !(isWithoutHttp && patch.applyTo === 'HTTP_FILTER') && mayTouch(patch, base);
}

function relevantPatches(base: Resource, filters: readonly SelectedEnvoyFilter[], isWithoutHttp: boolean): OwnedPatch[] {
  return filters.flatMap(({ filter, patches }) =>
    patches.filter((patch) => isRelevant(patch, base, isWithoutHttp)).map((patch) => ({ object: filter.key, patch })),
  );
}

/** A patch that throws may have done half of its work by then: everything is done again without it. */
function apply(base: Resource, patches: readonly OwnedPatch[]): PatchedContent {
  const failed: FailedPatch[] = [];
  let rest = patches;
  for (;;) {
    const run = new PatchRun(rest);
    try {
      const patched = applyOnce(base, run);
      const bytes = typeof patched === 'object' ? sealed(base, patched) : patched;
      return { bytes, matched: [...run.matched].map(reference), failed };
    } catch (error) {
      if (!(error instanceof PatchFailure)) throw error;
      failed.push({ ...reference(error.failed), error: error.cause });
      rest = rest.filter((owned) => owned !== error.failed);
    }
  }
}

function reference({ object, patch: { index } }: OwnedPatch): PatchReference {
  return { object, index };
}

interface Patched {
  readonly value: Uint8Array;
  /** What a proxy asks for because of the new bytes; undefined: what it asked for because of the old ones. */
  readonly references?: readonly ResourceReference[];
}

function applyOnce({ typeUrl, value }: Resource, run: PatchRun): Patched | 'same' | 'gone' {
  switch (typeUrl) {
    case typeUrls.cluster:
      return patchCluster(value, run) ?? (run.matched.size ? 'gone' : 'same');
    case typeUrls.listener: {
      const listener = patchListener(fromBinary(ListenerSchema, value), run);
      if (!listener) return 'gone';
      if (!run.matched.size) return 'same';
      return { value: toBinary(ListenerSchema, listener), references: listenerReferences(listener) };
    }
    default: {
      const bytes = patchRoutes(value, run);
      return bytes ? { value: bytes } : 'same';
    }
  }
}

function sealed(base: Resource, { value, references }: Patched): PatchedContent['bytes'] {
  if (Buffer.compare(base.value, value) === 0) return 'same';
  return { value, version: versionOf(value), references };
}

/** A resource of its own for the patched bytes: who it derives from is not the same for all that have them. */
function resourceOf(base: Resource, { bytes, matched }: PatchedContent): Resource | undefined {
  if (bytes === 'same') return base;
  if (bytes === 'gone') return undefined;
  const { typeUrl, name, requires } = base;
  const { value, version, references } = bytes;
  // What a listener passes connections on to is the mesh's own doing, and no less needed.
  const kept = typeUrl === typeUrls.listener ? requires.filter((reference) => reference.typeUrl === typeUrls.cluster) : [];
  return {
    ...{ typeUrl, name, version, value },
    provenance: [...new Set([...base.provenance, ...matched.map(({ object }) => object)])],
    requires: references ? [...kept, ...references] : requires,
  };
}

const connectionManager = Buffer.from(HttpConnectionManagerSchema.typeName);

function mentionsConnectionManager(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(connectionManager);
}

/** Whether a listener has a connection manager, or a patch may bring one. */
function mayHaveConnectionManager(base: Resource, filters: readonly SelectedEnvoyFilter[], known: KnownBytes): boolean {
  known.hasConnectionManager ??= mentionsConnectionManager(base.value);
  return known.hasConnectionManager || filters.some(({ patches }) => patches.some(mayBringConnectionManager));
}

const bringing = new WeakMap<EnvoyFilterPatch, boolean>();

function mayBringConnectionManager(patch: EnvoyFilterPatch): boolean {
  const { applyTo, value } = patch;
  if (!value || (applyTo !== 'LISTENER' && applyTo !== 'FILTER_CHAIN' && applyTo !== 'NETWORK_FILTER')) return false;
  let brings = bringing.get(patch);
  if (brings === undefined) {
    brings = mentionsConnectionManager(toBinary(envoyTypes().getMessage(value.$typeName)!, value));
    bringing.set(patch, brings);
  }
  return brings;
}
