import type { EnvoyFilter as EnvoyFilterObject } from '../../../api/envoy-filter/schema.ts';
import { formatFinding } from '../../../api/finding.ts';
import { envoyFilterKind } from '../../../api/index.ts';
import { checkObject } from '../../../controllers/check-object.ts';
import { compileEnvoyFilter } from '../../../controllers/envoy-filter/compile.ts';
import type { EnvoyFilter, SelectedEnvoyFilter } from '../../../mesh/envoy-filter.ts';
import { EnvoyFilterIndex } from '../../../mesh/envoy-filter-index.ts';
import type { KubernetesObject } from '../../../runtime/object.ts';
import { isForSidecars } from '../matches.ts';

/** An EnvoyFilter object, validated and compiled; throws where it has errors. */
export function compileFilter(object: KubernetesObject): EnvoyFilter {
  const errors = checkObject(envoyFilterKind, object as EnvoyFilterObject).filter(({ severity }) => severity === 'error');
  if (errors.length) throw new Error(errors.map(formatFinding).join('\n'));
  const compiled = compileEnvoyFilter(object as EnvoyFilterObject);
  if (compiled.outcome !== 'accepted' || compiled.fragment.kind !== 'envoyFilter') throw new Error('not an EnvoyFilter');
  return compiled.fragment.envoyFilter;
}

/** The filters that are in force for a workload, with all of their patches that are for sidecars. */
export function selectFilters(
  objects: readonly KubernetesObject[],
  namespace: string,
  labels: Readonly<Record<string, string>>,
): SelectedEnvoyFilter[] {
  const index = new EnvoyFilterIndex();
  for (const object of objects) index.put(compileFilter(object));
  return index
    .select(namespace, labels, 'istio-system')
    .map((filter) => ({ filter, patches: filter.patches.filter(isForSidecars) }));
}
