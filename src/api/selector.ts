import Type from 'typebox';
import type { Place } from './finding.ts';
import { celRules, mapOf, record } from './schema-term.ts';

const selectorLabels = mapOf(
  Type.String({
    maxLength: 63,
    crd: celRules({ rule: "!self.contains('*')", message: 'wildcard is not supported in selector' }),
  }),
  {
    maxProperties: 256,
    description: 'Labels that a workload must all have. Without any, every workload of the namespace is selected.',
  },
);

/** Istio's `WorkloadSelector`: which pods and WorkloadEntries of the object's namespace it concerns. */
export const workloadSelectorSchema = record(
  { labels: Type.Optional(selectorLabels) },
  { description: 'Selects workloads by label, in the namespace of this object.' },
);

/** Which pods and WorkloadEntries of the object's namespace it concerns; without labels, all of them. */
export type WorkloadSelector = Type.Static<typeof workloadSelectorSchema>;

/** Istio's `ValidateAlphaWorkloadSelector`: no wildcards, no empty keys; a selector without labels is most likely a mistake. */
export function checkWorkloadSelector(selector: WorkloadSelector | undefined, place: Place): void {
  if (!selector) return;
  const labels = Object.entries(selector.labels ?? {});
  if (labels.length === 0)
    place.warning('has no labels, so it selects every workload of the namespace; leave it out if that is meant');
  for (const [key, value] of labels) {
    const at = place.at('labels', key);
    if (key === '') at.error('a label key must not be empty');
    else if (key.includes('*') || value.includes('*')) at.error('a wildcard is not supported in a selector');
  }
}
