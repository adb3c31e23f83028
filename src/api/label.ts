import type { Place } from './finding.ts';
import { shown } from './structure.ts';

// Kubernetes' label syntax: an optional DNS prefix and a slash, then a name (kubernetes.io/docs/concepts/overview/working-with-objects/labels).
const labelKey =
  /^(?:([A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)*)\/)?([A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$/;
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** Labels as Kubernetes and Istio keep them. */
export type Labels = Readonly<Record<string, string>>;

/** Reports keys and values that are not Kubernetes label syntax. */
export function checkLabels(labels: Labels | undefined, place: Place): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    place.at(key).error(labelKeyProblem(key) ?? labelValueProblem(value));
  }
}

function labelKeyProblem(key: string): string | undefined {
  const match = key.length <= 253 + 1 + 63 ? labelKey.exec(key) : null;
  if (!match)
    return `${shown(key)} is not a label key: it takes letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'`;
  if ((match[1]?.length ?? 0) > 253) return `the prefix of label key ${shown(key)} is longer than 253 characters`;
  if (match[2]!.length > 63) return `the name in label key ${shown(key)} is longer than 63 characters`;
  return undefined;
}

function labelValueProblem(value: string): string | undefined {
  if (labelValue.test(value)) return undefined;
  return `${shown(value)} is not a label value: it takes letters, digits, '-', '_' and '.', and begins and ends with a letter or digit`;
}
