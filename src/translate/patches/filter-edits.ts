import { clone, type DescMessage } from '@bufbuild/protobuf';
import type { EnvoyFilterPatch } from '../../mesh/envoy-filter.ts';
import { type AnyFilter, placeFilter } from './filter-placement.ts';
import { insertAfter, insertBefore, removeAll, replaceFirst } from './list-edits.ts';
import { isFilterNamed } from './matches.ts';
import { mergeMessages } from './merge-messages.ts';
import { patchValue } from './patch-run.ts';
import { isSameType, mergeTypedConfigs } from './typed-config.ts';

/**
 * ADD, INSERT_*, REPLACE and REMOVE on a list of filters; answers whether the patch matched. Without a name INSERT_BEFORE is the
 * front and INSERT_AFTER the end, REPLACE and REMOVE do nothing (Istio's rules).
 * @param name the filter that the patch names
 */
export function editFilters<T extends AnyFilter>(
  schema: DescMessage,
  filters: T[],
  patch: EnvoyFilterPatch,
  name: string | undefined,
): boolean {
  const copy = () => clone(schema, patchValue<T>(patch)) as T;
  const matches = (filter: T) => isFilterNamed(filter, name);
  switch (patch.operation) {
    case 'ADD':
      placeFilter(filters, copy(), patch.filterClass);
      return true;
    case 'INSERT_FIRST':
      filters.unshift(copy());
      return true;
    case 'INSERT_BEFORE':
      if (name !== undefined) return insertBefore(filters, matches, copy());
      filters.unshift(copy());
      return true;
    case 'INSERT_AFTER':
      if (name !== undefined) return insertAfter(filters, matches, copy());
      placeFilter(filters, copy(), 'UNSPECIFIED');
      return true;
    case 'REPLACE':
      return name !== undefined && replaceFirst(filters, matches, copy());
    case 'REMOVE':
      return name !== undefined && removeAll(filters, matches);
    default:
      return false;
  }
}

/**
 * MERGE on one filter: its `typed_config` is merged inside, its name and the rest as in any message. A filter whose configuration
 * is had by name has nothing to merge into. Where the patch names no filter, those of another type are not meant.
 * Throws where it names one, and the types differ.
 */
export function mergeFilter(schema: DescMessage, filter: AnyFilter, patch: EnvoyFilterPatch, name: string | undefined): boolean {
  if (filter.configType.case !== 'typedConfig' || !isFilterNamed(filter, name)) return false;
  const rest = clone(schema, patchValue<AnyFilter>(patch)) as AnyFilter;
  const { configType } = rest;
  if (configType.case === 'configDiscovery') {
    throw new Error('config_discovery cannot be merged into a filter that has its configuration already; use REPLACE');
  }
  if (configType.case === 'typedConfig') {
    if (name === undefined && !isSameType(filter.configType.value, configType.value)) return false;
    filter.configType = { case: 'typedConfig', value: mergeTypedConfigs(filter.configType.value, configType.value) };
    rest.configType = { case: undefined };
  }
  mergeMessages(schema, filter, rest);
  return true;
}
