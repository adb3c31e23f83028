/** Kubernetes' LabelSelector: every label and every expression must match. An empty one matches everything. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelSelectorRequirement[];
}

/** What one label of an object must be. */
export interface LabelSelectorRequirement {
  readonly key: string;
  /** `NotIn` and `DoesNotExist` match objects without the label too. */
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  /** For `In` and `NotIn` only. */
  readonly values?: readonly string[];
}

type Labels = Readonly<Record<string, string>>;

/** True if the labels match the selector. An operator that Kubernetes does not know matches nothing. */
export function matchesSelector(selector: LabelSelector, labels: Labels = {}): boolean {
  return (
    hasLabels(labels, selector.matchLabels ?? {}) &&
    (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels))
  );
}

/** True if every wanted label is there with its value; true if none is wanted. */
export function hasLabels(labels: Labels | undefined, wanted: Labels): boolean {
  for (const key of Object.keys(wanted)) {
    if (labels === undefined || !Object.hasOwn(labels, key) || labels[key] !== wanted[key]) return false;
  }
  return true;
}

function matchesRequirement({ key, operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}
