import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { patchedMessages } from '../../api/envoy-filter/operations.ts';
import { envoyTypes } from '../../envoy/registry.ts';
import type { SelectedEnvoyFilter } from '../../mesh/envoy-filter.ts';
import { isForSidecars } from './matches.ts';
import { mergeMessages } from './merge-messages.ts';
import type { FailedPatch, PatchReference } from './patch-outcome.ts';
import { isMerge, mergeOptions, patchValue } from './patch-run.ts';

/** What patches made of a bootstrap. */
export interface BootstrapOutcome {
  /** In the field names of Envoy's documentation; the very one given where no patch is for it. */
  readonly bootstrap: JsonObject;
  readonly matched: readonly PatchReference[];
  readonly failed: readonly FailedPatch[];
}

/**
 * Merges the filters' BOOTSTRAP patches into a sidecar's bootstrap. A proxy reads its bootstrap once, when it starts: a change takes
 * effect with the next pod.
 * @param bootstrap Envoy's `Bootstrap` in JSON; throws where it is none
 */
export function patchBootstrap(bootstrap: JsonObject, filters: readonly SelectedEnvoyFilter[]): BootstrapOutcome {
  const owned = filters.flatMap(({ filter, patches }) =>
    patches
      .filter((patch) => patch.applyTo === 'BOOTSTRAP' && isMerge(patch) && isForSidecars(patch))
      .map((patch) => ({ object: filter.key, patch })),
  );
  if (!owned.length) return { bootstrap, matched: [], failed: [] };
  const types = envoyTypes();
  const schema = types.getMessage(patchedMessages.BOOTSTRAP)!;
  const message = fromJson(schema, bootstrap, { registry: types });
  const matched: PatchReference[] = [];
  const failed: FailedPatch[] = [];
  for (const { object, patch } of owned) {
    const reference = { object, index: patch.index };
    try {
      mergeMessages(schema, message, patchValue(patch), mergeOptions(patch));
      matched.push(reference);
    } catch (error) {
      failed.push({ ...reference, error });
    }
  }
  return { bootstrap: toJson(schema, message, { registry: types, useProtoFieldName: true }) as JsonObject, matched, failed };
}
