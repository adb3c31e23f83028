import type { ServiceRegistry } from './service-registry.ts';
import { type HostPattern, matchesHost, type Sidecar } from './sidecar.ts';
import { isVisibleTo } from './visibility.ts';

/** The egress hosts of a Sidecar that import nothing: no service of that namespace and name is visible from its own. */
export function findMissingHosts(sidecar: Sidecar, services: ServiceRegistry): string[] {
  const patterns = sidecar.egress.flatMap(({ hosts }) => hosts).filter(({ host, isExcluded }) => host !== '*' && !isExcluded);
  return patterns.filter((pattern) => !isBorne(pattern, sidecar, services)).map(({ namespace, host }) => `${namespace}/${host}`);
}

function isBorne({ namespace, host }: HostPattern, sidecar: Sidecar, services: ServiceRegistry): boolean {
  const isHere = (hostname: string) =>
    services
      .servicesOf(hostname)
      .some(({ spec }) => (namespace === '*' || namespace === spec.namespace) && isVisibleTo(spec, sidecar.namespace));
  if (!host.startsWith('*')) return isHere(host);
  for (const hostname of namespace === '*' ? services.hosts() : services.hostsIn(namespace)) {
    if (matchesHost(host, hostname) && isHere(hostname)) return true;
  }
  return false;
}
