import type { LabelSelector, LabelSelectorRequirement } from '../runtime/cache/label-selector.ts';

export type { LabelSelector } from '../runtime/cache/label-selector.ts';

/** What is wrong with a selector, and where in it: `matchExpressions[0].operator`; empty for the whole. */
export interface SelectorProblem {
  readonly path: string;
  readonly message: string;
}

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;
const fields = ['matchLabels', 'matchExpressions'];

/** Reads a Kubernetes LabelSelector, or says everything that the API server would refuse of it. */
export function readLabelSelector(value: unknown): { selector: LabelSelector } | { problems: SelectorProblem[] } {
  if (!isMap(value)) {
    return { problems: [{ path: '', message: `expected a map of matchLabels and matchExpressions, found ${quote(value)}` }] };
  }
  const { matchLabels, matchExpressions } = value;
  const problems = [
    ...Object.keys(value)
      .filter((name) => !fields.includes(name))
      .map((name) => ({ path: name, message: `is no field of a label selector; it takes ${fields.join(' and ')}` })),
    ...labelProblems(matchLabels),
    ...expressionProblems(matchExpressions),
  ];
  if (problems.length) return { problems };
  return {
    selector: {
      ...(matchLabels ? { matchLabels: matchLabels as Record<string, string> } : {}),
      ...(matchExpressions ? { matchExpressions: matchExpressions as LabelSelectorRequirement[] } : {}),
    },
  };
}

function labelProblems(labels: unknown): SelectorProblem[] {
  if (labels === undefined || labels === null) return [];
  if (!isMap(labels)) return [{ path: 'matchLabels', message: `expected a map of labels, found ${quote(labels)}` }];
  return Object.entries(labels)
    .filter(([, value]) => typeof value !== 'string')
    .map(([key, value]) => ({
      path: `matchLabels.${key}`,
      message: `expected a string, found ${quote(value)}; put it in quotes`,
    }));
}

function expressionProblems(expressions: unknown): SelectorProblem[] {
  if (expressions === undefined || expressions === null) return [];
  const path = 'matchExpressions';
  if (!Array.isArray(expressions)) return [{ path, message: `expected a list, found ${quote(expressions)}` }];
  return expressions.flatMap((expression, index) =>
    requirementProblems(expression).map((problem) => ({
      ...problem,
      path: `${path}[${index}]${problem.path === '' ? '' : `.${problem.path}`}`,
    })),
  );
}

function requirementProblems(requirement: unknown): SelectorProblem[] {
  if (!isMap(requirement)) {
    return [{ path: '', message: `expected a map of key, operator and values, found ${quote(requirement)}` }];
  }
  const { key, operator, values } = requirement;
  const problems: SelectorProblem[] = [];
  if (typeof key !== 'string' || key === '') problems.push({ path: 'key', message: 'expected the name of a label' });
  if (!operators.includes(operator as (typeof operators)[number])) {
    problems.push({ path: 'operator', message: `expected one of ${operators.join(', ')}, found ${quote(operator)}` });
  }
  const problem = valuesProblem(operator, values ?? []);
  if (problem !== undefined) problems.push({ path: 'values', message: problem });
  return problems;
}

function valuesProblem(operator: unknown, values: unknown): string | undefined {
  if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) {
    return `expected a list of strings, found ${quote(values)}`;
  }
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) return `${operator} needs at least one value`;
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) return `${operator} takes no values`;
  return undefined;
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
