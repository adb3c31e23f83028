import type { Place } from '../finding.ts';
import { isDnsLabel, partialWildcardProblem, wildcardDomainProblem } from '../hostname.ts';
import { shown } from '../structure.ts';

/** A host of an egress listener, taken apart. */
export interface EgressHost {
  /** A namespace, `*` for any, `.` for the Sidecar's own, empty for none or (in an exclusion) any: a bare `~`. */
  readonly namespace: string;
  /** A domain name, possibly with a wildcard as first label; `*` for all. */
  readonly host: string;
  /** True if the namespace was marked by `~`, which takes hosts away instead of adding them. */
  readonly excluded: boolean;
}

/** Takes a `namespace/host` apart at its first slash; undefined if it has none. */
export function parseEgressHost(entry: string): EgressHost | undefined {
  const slash = entry.indexOf('/');
  if (slash < 0) return undefined;
  const excluded = entry.startsWith('~');
  return { namespace: entry.slice(excluded ? 1 : 0, slash), host: entry.slice(slash + 1), excluded };
}

/** Istio's `ValidateNamespaceSlashWildcardHostname` for each host, and its warnings about hosts that others cover already. */
export function checkEgressHosts(hosts: readonly string[], namespace: string, place: Place): void {
  if (hosts.length === 0) place.error("must have at least one host; '~/*' is the host for none");
  const hostsByNamespace = new Map<string, Set<string>>();
  for (const [index, entry] of hosts.entries()) {
    const at = place.at(index);
    const parsed = parseEgressHost(entry);
    if (!parsed) {
      at.error(`${shown(entry)} must have the form namespace/host, such as */api.example.com, ./* or */*`);
      continue;
    }
    at.error(egressHostProblem(entry, parsed));
    if (!parsed.excluded) checkCovered(parsed, namespace, hostsByNamespace, at);
  }
  if (hostsByNamespace.get('*')?.has('*') && hostsByNamespace.size > 1)
    place.warning("has '*/*', which selects everything; the other hosts add nothing");
}

function egressHostProblem(entry: string, { namespace, host, excluded }: EgressHost): string | undefined {
  if ((namespace === '' && !excluded) || host === '')
    return `${shown(entry)} must have a namespace and a host on either side of the '/'`;
  if (namespace !== '' && namespace !== '*' && namespace !== '.' && !isDnsLabel(namespace)) {
    return `${shown(entry)} begins with ${shown(namespace)}, which is neither a namespace nor one of '*', '.' and '~'`;
  }
  if (host === '*') return undefined;
  if (!host.includes('.'))
    return `${shown(host)} must be fully qualified, such as ${host.slice(0, 40)}.default.svc.cluster.local`;
  return wildcardDomainProblem(host) ?? partialWildcardProblem(host);
}

function checkCovered(
  { namespace, host }: EgressHost,
  own: string,
  hostsByNamespace: Map<string, Set<string>>,
  place: Place,
): void {
  const key = namespace === '.' && own !== '' ? own : namespace;
  const seen = hostsByNamespace.get(key) ?? new Set();
  const covered = host === '*' ? seen.size > 0 : seen.has(host) || seen.has('*');
  if (covered)
    place.warning(
      host === '*'
        ? `${shown(`${namespace}/*`)} covers hosts listed before it`
        : `${shown(`${namespace}/${host}`)} is covered by a host before it`,
    );
  seen.add(host);
  hostsByNamespace.set(key, seen);
}
