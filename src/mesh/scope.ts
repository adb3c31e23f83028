import type { Mesh } from './mesh.ts';
import type { EgressView } from './proxy-view.ts';
import type { Service, ServiceSpec } from './service.ts';
import { atHome, defaultEgress, type EgressSpec, importsHost, importsPort, type Sidecar } from './sidecar.ts';
import { isVisibleTo } from './visibility.ts';

/** A host that means something else to one egress listener than before. */
export interface ScopeChange {
  /** Index of the egress listener. */
  readonly egress: number;
  readonly before: Service | undefined;
  readonly after: Service | undefined;
}

class EgressScope implements EgressView {
  readonly spec: EgressSpec;
  readonly services = new Map<string, Service>();
  /** What the mesh held when the service was narrowed: tells that nothing changed without narrowing again. */
  readonly #origins = new Map<string, Service>();
  readonly #importsEverything: boolean;

  constructor(spec: EgressSpec) {
    this.spec = spec;
    // No pattern at all (`~/*`) imports nothing.
    this.#importsEverything =
      spec.hosts.length > 0 &&
      spec.hosts.every(({ namespace, host, isExcluded }) => namespace === '*' && host === '*' && !isExcluded);
  }

  /** Brings one host up to date; answers whether it differs. */
  update(
    mesh: Mesh,
    namespace: string,
    hostname: string,
  ): { before: Service | undefined; after: Service | undefined } | undefined {
    const isImported = this.#importsEverything ? undefined : (spec: ServiceSpec) => this.#imports(spec.namespace, spec.hostname);
    const origin = mesh.services.choose(hostname, namespace, isImported);
    if (origin === this.#origins.get(hostname)) return undefined;
    const before = this.services.get(hostname);
    const after = origin && narrow(this.#withImportedAliases(origin, namespace), this.spec);
    if (origin) this.#origins.set(hostname, origin);
    else this.#origins.delete(hostname);
    if (after) this.services.set(hostname, after);
    else this.services.delete(hostname);
    return before || after ? { before, after } : undefined;
  }

  /** Every host that may be imported, and perhaps others: what the patterns name, so that a narrow scope costs little in a large mesh. */
  *candidates({ services }: Mesh): Generator<string> {
    for (const { namespace, host, isExcluded } of this.spec.hosts) {
      if (isExcluded) continue;
      if (!host.startsWith('*')) yield host;
      else yield* namespace === '*' ? services.hosts() : services.hostsIn(namespace);
    }
  }

  /** Istio's rule: another name of a service counts where the patterns for the service's namespace cover it. */
  #withImportedAliases(service: Service, namespace: string): Service {
    const aliases = service.aliases.filter(
      (alias) =>
        isVisibleTo(alias, namespace) && (this.#importsEverything || this.#imports(service.spec.namespace, alias.hostname)),
    );
    return aliases.length === service.aliases.length ? service : { ...service, aliases };
  }

  #imports(ofNamespace: string, hostname: string): boolean {
    return importsHost(this.spec.hosts, ofNamespace, hostname);
  }
}

/**
 * What the proxies of a namespace under one Sidecar may reach, by egress listener. Computed when its class is made,
 * patched in place by changes afterwards.
 */
export class Scope {
  readonly egress: readonly EgressScope[];
  readonly #mesh: Mesh;
  readonly #namespace: string;

  /** @param sidecar undefined: Istio's default scope, everything visible */
  constructor(mesh: Mesh, namespace: string, sidecar: Sidecar | undefined) {
    this.#mesh = mesh;
    this.#namespace = namespace;
    const specs = sidecar?.egress.length ? sidecar.egress : defaultEgress;
    this.egress = specs.map((spec) => new EgressScope({ ...spec, hosts: atHome(spec.hosts, namespace) }));
    for (const scope of this.egress) for (const hostname of scope.candidates(mesh)) scope.update(mesh, namespace, hostname);
  }

  /** Brings the given hosts up to date with the mesh; answers what differs. */
  update(hosts: Iterable<string>): ScopeChange[] {
    const changes: ScopeChange[] = [];
    for (const hostname of hosts) {
      this.egress.forEach((scope, egress) => {
        const change = scope.update(this.#mesh, this.#namespace, hostname);
        if (change) changes.push({ egress, ...change });
      });
    }
    return changes;
  }
}

/** Istio's service port narrowing: of a service without a port that the listener imports nothing is left. */
function narrow(service: Service, egress: EgressSpec): Service | undefined {
  if (!egress.port) return service;
  const ports = service.spec.ports.filter(({ number }) => importsPort(egress, number));
  if (ports.length === service.spec.ports.length) return service;
  return ports.length ? { ...service, spec: { ...service.spec, ports } } : undefined;
}
