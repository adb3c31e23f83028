import type { JsonObject } from '@bufbuild/protobuf';
import { parseObjectKey } from './mesh/object-key.ts';
import type { Logger } from './runtime/logger.ts';
import { patchBootstrap } from './translate/patches/patch-bootstrap.ts';
import type { InjectionRequest } from './webhooks/injector/injection.ts';
import type { PodFilters } from './xds/filter-source.ts';
import { isMetBy } from './xds/fit-filters.ts';

/**
 * Applies the BOOTSTRAP patches of EnvoyFilters to the bootstraps of injected pods. A patch that does not apply is logged and
 * left out: a filter must not keep the pods of a namespace from starting.
 */
export function bootstrapShaper(filtersOf: PodFilters, logger: Logger): NonNullable<InjectionRequest['shapeBootstrap']> {
  return (bootstrap, { namespace, labels }) => {
    const { metadata = {} } = (bootstrap.node ?? {}) as { metadata?: Record<string, unknown> };
    const selected = filtersOf(namespace, labels).map((filter) => ({
      filter,
      patches: filter.patches.filter((patch) => patch.applyTo === 'BOOTSTRAP' && isMetBy(patch, metadata)),
    }));
    const filters = selected.filter(({ patches }) => patches.length > 0);
    if (filters.length === 0) return bootstrap;
    try {
      const outcome = patchBootstrap(bootstrap as JsonObject, filters);
      for (const { object, index, error } of outcome.failed) {
        const { namespace, name } = parseObjectKey(object);
        logger.error('A patch of the bootstrap was left out', { namespace, name, patch: index, error });
      }
      return outcome.bootstrap;
    } catch (error) {
      logger.error('A bootstrap could not be patched; the pod starts without its EnvoyFilters’ patches', { namespace, error });
      return bootstrap;
    }
  };
}
