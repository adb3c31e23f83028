import { shown } from './structure.ts';

// Istio's labels are DNS-1123 labels that may also have capitals (istio/istio pkg/config/labels).
const label = /^[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?$/;
const wildcardLabel = /^(?:\*|(?:\*|\*-)?[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)$/;
const labelLimit = 63;
const nameLimit = 255;

/** True for a DNS label of at most 63 letters, digits and inner dashes (RFC 1123; capitals allowed, as in Istio). */
export function isDnsLabel(text: string): boolean {
  return text.length <= labelLimit && label.test(text);
}

/** Why a text is not a fully qualified domain name; a trailing dot is allowed, a last label of digits alone is not. */
export function domainProblem(name: string): string | undefined {
  return lengthProblem(name) ?? labelsProblem(name, name);
}

/** Why a text is not a domain name whose first label may be, or begin with, a `*`. */
export function wildcardDomainProblem(name: string): string | undefined {
  const tooLong = lengthProblem(name);
  if (tooLong) return tooLong;
  const dot = name.indexOf('.');
  const first = dot < 0 ? name : name.slice(0, dot);
  if (first.length > labelLimit || !wildcardLabel.test(first)) {
    return `${shown(name)} is not a domain name: its first part ${shown(first)} is neither a DNS label nor a wildcard`;
  }
  return dot < 0 ? undefined : labelsProblem(name.slice(dot + 1), name);
}

/** Why a wildcard is one that no Envoy route can match: only `*` and `*.` at the front are. */
export function partialWildcardProblem(name: string): string | undefined {
  if (!name.includes('*') || name === '*' || name.startsWith('*.')) return undefined;
  return `${shown(name)} has a partial wildcard; only a whole first label can be one, as in *.example.com`;
}

/** True if the host stands for many names. */
export function isWildcardHost(name: string): boolean {
  return name.startsWith('*');
}

function lengthProblem(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  return name.length > nameLimit ? `is ${name.length} characters long, a domain name has at most ${nameLimit}` : undefined;
}

function labelsProblem(labels: string, name: string): string | undefined {
  const parts = labels.split('.');
  const last = parts.at(-1)!;
  if (/^[+-]?\d+$/.test(last)) return `${shown(name)} is not a domain name: its last part must not be a number`;
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part === '') return undefined;
    if (!isDnsLabel(part)) return `${shown(name)} is not a domain name: its part ${shown(part)} is not a DNS label`;
  }
  return undefined;
}
