import type { Registry } from '@bufbuild/protobuf';
import type { Place } from '../finding.ts';
import type { ValidationContext } from '../kind.ts';
import { checkWorkloadSelector } from '../selector.ts';
import { checkTargetRefs } from '../target-ref.ts';
import { checkMatch } from './match.ts';
import { effectiveOperations } from './operations.ts';
import { checkPatchValue } from './patch-value.ts';
import type { ApplyTo, EnvoyFilter, EnvoyFilterConfigPatch, EnvoyFilterPatch } from './schema.ts';

/** Istio's `ValidateEnvoyFilter`, rule by rule, and a warning for each patch that could never have an effect. */
export function checkEnvoyFilter(object: EnvoyFilter, place: Place, context: ValidationContext): void {
  const { workloadSelector, targetRefs, configPatches = [] } = object.spec;
  checkWorkloadSelector(workloadSelector, place.at('workloadSelector'));
  if (workloadSelector && targetRefs) place.at('targetRefs').error('excludes workloadSelector: set one of the two');
  checkTargetRefs(targetRefs, place.at('targetRefs'));
  for (const [index, patch] of configPatches.entries())
    checkConfigPatch(patch, place.at('configPatches', index), context.envoyTypes);
}

function checkConfigPatch(config: EnvoyFilterConfigPatch, place: Place, types: Registry | undefined): void {
  const { applyTo, match, patch } = config;
  if (!applyTo || applyTo === 'INVALID') place.at('applyTo').error('is required');
  if (!patch) place.at('patch').error('is required');
  if (match) checkMatch(match, applyTo === 'INVALID' ? undefined : applyTo, place.at('match'));
  if (applyTo && applyTo !== 'INVALID' && patch) checkPatch(applyTo, patch, place.at('patch'), types);
}

function checkPatch(applyTo: ApplyTo, patch: EnvoyFilterPatch, place: Place, types: Registry | undefined): void {
  const { operation, value, filterClass = 'UNSPECIFIED' } = patch;
  if (!operation || operation === 'INVALID') {
    place.at('operation').error('is required');
    return;
  }
  if (operation !== 'REMOVE' && !value) {
    place.at('value').error(`is required for ${operation}`);
    return;
  }
  const effective = effectiveOperations[applyTo];
  if (!effective.includes(operation)) {
    place.at('operation').warning(`${operation} has no effect on ${applyTo}; use one of ${effective.join(', ')}`);
  }
  if (filterClass !== 'UNSPECIFIED' && !(operation === 'ADD' && applyTo.endsWith('_FILTER'))) {
    place.at('filterClass').warning(`has no effect: it is for operation ADD on a filter, not for ${operation} on ${applyTo}`);
  }
  if (!value || operation === 'REMOVE') return;
  checkTypedConfig(applyTo, operation, value, place.at('value'));
  if (types) checkPatchValue(applyTo, value, types, place.at('value'));
}

const configFields = ['typed_config', 'typedConfig', 'config_discovery', 'configDiscovery'];

/** Envoy no longer finds a filter by its name alone, so a filter that is added whole must say its type. */
function checkTypedConfig(applyTo: ApplyTo, operation: string, value: Record<string, unknown>, place: Place): void {
  const isWhole = applyTo === 'EXTENSION_CONFIG' || (applyTo.endsWith('_FILTER') && !operation.startsWith('MERGE'));
  if (!isWhole || configFields.some((name) => Object.hasOwn(value, name))) return;
  place.warning('has no typed_config; Envoy does not look filters up by name any more and may refuse it');
}
