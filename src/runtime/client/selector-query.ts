import type { LabelSelector } from '../cache/label-selector.ts';

/** A selector as the API server's `labelSelector` parameter has it; undefined for one that matches everything. */
export function formatSelector(selector: LabelSelector = {}): string | undefined {
  const terms = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    switch (operator) {
      case 'In':
        terms.push(`${key} in (${values.join(',')})`);
        break;
      case 'NotIn':
        terms.push(`${key} notin (${values.join(',')})`);
        break;
      case 'Exists':
        terms.push(key);
        break;
      case 'DoesNotExist':
        terms.push(`!${key}`);
        break;
    }
  }
  return terms.length === 0 ? undefined : terms.join(',');
}
