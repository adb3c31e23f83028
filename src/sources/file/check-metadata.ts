import { isRecord } from './identify.ts';

/** One thing wrong with an object's metadata. */
export interface MetadataProblem {
  readonly segments: readonly string[];
  readonly message: string;
}

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomainPattern = new RegExp(`^${label}(\\.${label})*$`);
const labelPattern = new RegExp(`^${label}$`);

/**
 * What the API server would refuse of an object's metadata before it looks at the kind: names (RFC 1123), and labels and annotations
 * that are not strings, the usual trap of YAML being `version: 1.10`.
 */
export function checkMetadata(metadata: unknown, scope: 'Namespaced' | 'Cluster'): MetadataProblem[] {
  if (!isRecord(metadata)) return [{ segments: ['metadata'], message: 'is required: an object needs metadata.name' }];
  const problems: MetadataProblem[] = [];
  const problem = (field: string, message: string, ...below: string[]) =>
    problems.push({ segments: ['metadata', field, ...below], message });
  const { name, namespace, creationTimestamp } = metadata;
  if (typeof name !== 'string' || name === '') {
    problem(
      'name',
      'generateName' in metadata ? 'is required: an object in a file cannot use generateName' : 'is required, as a string',
    );
  } else if (name.length > 253 || !subdomainPattern.test(name)) {
    problem(
      'name',
      `must be a DNS subdomain of at most 253 characters (lower-case letters, digits, "-" and "."), is ${quote(name)}`,
    );
  }
  if (namespace !== undefined && namespace !== null && namespace !== '') {
    if (scope === 'Cluster') problem('namespace', 'must be left out: the kind is not namespaced');
    else if (typeof namespace !== 'string' || namespace.length > 63 || !labelPattern.test(namespace)) {
      problem(
        'namespace',
        `must be a DNS label of at most 63 characters (lower-case letters, digits and "-"), is ${quote(namespace)}`,
      );
    }
  }
  for (const field of ['labels', 'annotations']) {
    const entries = metadata[field];
    if (entries === undefined || entries === null) continue;
    if (!isRecord(entries)) {
      problem(field, 'must be a map of strings');
      continue;
    }
    for (const [key, value] of Object.entries(entries)) {
      if (typeof value !== 'string') problem(field, `must be a string, is ${quote(value)}; put it in quotes`, key);
    }
  }
  if (creationTimestamp !== undefined && creationTimestamp !== null && !isTimestamp(creationTimestamp)) {
    problem('creationTimestamp', `must be an RFC 3339 time such as 2026-01-31T12:00:00Z, is ${quote(creationTimestamp)}`);
  }
  return problems;
}

function isTimestamp(value: unknown): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d/.test(value) && !Number.isNaN(Date.parse(value));
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
