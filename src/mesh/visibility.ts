import type { ServiceSpec, Visibility } from './service.ts';

/** Seen from every namespace: `exportTo: ["*"]`, Istio's default. */
export const visibleToAll: Visibility = { kind: 'all' };

/** Resolves Istio's `exportTo` (`*`, `.`, `~`, namespaces) against the object's own namespace; absent or empty: everyone. */
export function resolveExportTo(exportTo: readonly string[] | undefined, namespace: string): Visibility {
  if (!exportTo?.length || exportTo.includes('*')) return visibleToAll;
  const namespaces = exportTo.filter((entry) => entry !== '~').map((entry) => (entry === '.' ? namespace : entry));
  return { kind: 'namespaces', namespaces: new Set(namespaces) };
}

/** Whether proxies of a namespace see a service. */
export function isVisibleTo(spec: ServiceSpec, namespace: string): boolean {
  return spec.visibility.kind === 'all' || spec.visibility.namespaces.has(namespace);
}

/**
 * Whether two services of one host stand in each other's way: some namespace sees both, and does not decide between them
 * by preferring its own. (A namespace's own service of a host beats a foreign one: Istio's choice among same-named hosts.)
 */
export function overlap(a: ServiceSpec, b: ServiceSpec): boolean {
  if (a.namespace === b.namespace) return shareNamespace(a, b, undefined);
  return shareNamespace(a, b, new Set([a.namespace, b.namespace]));
}

/** Whether some namespace sees both services. */
export function meet(a: ServiceSpec, b: ServiceSpec): boolean {
  return shareNamespace(a, b, undefined);
}

function shareNamespace(a: ServiceSpec, b: ServiceSpec, except: ReadonlySet<string> | undefined): boolean {
  if (a.visibility.kind === 'all' && b.visibility.kind === 'all') return true;
  const [few, other] = a.visibility.kind === 'namespaces' ? [a.visibility.namespaces, b] : [namespacesOf(b.visibility), a];
  for (const namespace of few) if (!except?.has(namespace) && isVisibleTo(other, namespace)) return true;
  return false;
}

function namespacesOf(visibility: Visibility): ReadonlySet<string> {
  return visibility.kind === 'namespaces' ? visibility.namespaces : new Set();
}
