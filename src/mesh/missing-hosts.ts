import type { ServiceSpec } from './service.ts';
import type { ServiceRegistry } from './service-registry.ts';
import {
  atHome,
  defaultEgress,
  type EgressProxy,
  type HostPattern,
  importsHost,
  importsPort,
  matchesHost,
  type Sidecar,
} from './sidecar.ts';
import { isVisibleTo } from './visibility.ts';

/**
 * What a Sidecar names and nothing bears: hosts of egress listeners that import nothing, because no service of that namespace and
 * name is visible to its proxies, and an egress proxy that is not among what it imports.
 * @param rootNamespace a Sidecar without a selector there is the default of every namespace: it has found a host that one of them finds
 */
export function findMissingHosts(sidecar: Sidecar, services: ServiceRegistry, rootNamespace: string): string[] {
  const home = sidecar.namespace === rootNamespace && !sidecar.workloadSelector ? undefined : sidecar.namespace;
  const patterns = sidecar.egress.flatMap(({ hosts }) => hosts).filter(({ host, isExcluded }) => host !== '*' && !isExcluded);
  const missing = patterns
    .filter((pattern) => !isBorne(pattern, home, services))
    .map(({ namespace, host }) => `${namespace === '.' ? (home ?? '.') : namespace}/${host}`);
  const { egressProxy } = sidecar.outboundTrafficPolicy ?? {};
  if (egressProxy && !isReached(egressProxy, sidecar, home, services))
    missing.push(`${egressProxy.host} port ${egressProxy.port} (egressProxy, which has to be imported)`);
  return missing;
}

function isBorne({ namespace, host }: HostPattern, home: string | undefined, services: ServiceRegistry): boolean {
  const wanted = namespace === '.' ? (home ?? '*') : namespace;
  const isHere = (hostname: string) =>
    services
      .servicesOf(hostname)
      .some(
        ({ spec }) =>
          (wanted === '*' || wanted === spec.namespace) && isVisibleAt(spec, namespace === '.' ? (home ?? spec.namespace) : home),
      );
  if (!host.startsWith('*')) return isHere(host);
  for (const hostname of wanted === '*' ? services.hosts() : services.hostsIn(wanted)) {
    if (matchesHost(host, hostname) && isHere(hostname)) return true;
  }
  return false;
}

function isReached({ host, port }: EgressProxy, sidecar: Sidecar, home: string | undefined, services: ServiceRegistry): boolean {
  const listeners = sidecar.egress.length ? sidecar.egress : defaultEgress;
  return services
    .servicesOf(host)
    .some(
      ({ spec }) =>
        isVisibleAt(spec, home) &&
        spec.ports.some(({ number }) => number === port) &&
        listeners.some(
          (listener) =>
            importsPort(listener, port) && importsHost(atHome(listener.hosts, home ?? spec.namespace), spec.namespace, host),
        ),
    );
}

/** Whether proxies of a namespace see a service; undefined: those of any one. */
function isVisibleAt(spec: ServiceSpec, home: string | undefined): boolean {
  if (home !== undefined) return isVisibleTo(spec, home);
  return spec.visibility.kind === 'all' || spec.visibility.namespaces.size > 0;
}
