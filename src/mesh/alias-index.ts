import type { ServiceSpec } from './service.ts';

/**
 * Which hosts are other names of which (Kubernetes' ExternalName). A name may stand for another name: it belongs to the host at the
 * end of the chain. A chain that runs in a circle belongs to nobody.
 */
export class AliasIndex {
  /** By the host that they stand for. */
  readonly #byTarget = new Map<string, Set<ServiceSpec>>();
  readonly #byHost = new Map<string, Set<ServiceSpec>>();

  /** Takes in a service that is another name; answers the hosts whose names may differ now. */
  add(spec: ServiceSpec): string[] {
    insert(this.#byTarget, spec.aliasOf!, spec);
    insert(this.#byHost, spec.hostname, spec);
    return this.#chainOf(spec);
  }

  /** Forgets a service that was another name; answers the hosts whose names may differ now. */
  remove(spec: ServiceSpec): string[] {
    const touched = this.#chainOf(spec);
    drop(this.#byTarget, spec.aliasOf!, spec);
    drop(this.#byHost, spec.hostname, spec);
    return touched;
  }

  /** Every other name of a host, sorted; none where the host is itself another name. */
  aliasesOf(hostname: string): readonly ServiceSpec[] {
    if (!this.#byTarget.has(hostname) || this.#byHost.has(hostname)) return none;
    const found = new Set<ServiceSpec>();
    const visited = new Set<string>();
    const walk = (target: string) => {
      if (visited.has(target)) return;
      visited.add(target);
      for (const spec of this.#byTarget.get(target) ?? []) {
        found.add(spec);
        walk(spec.hostname);
      }
    };
    walk(hostname);
    return [...found].sort((a, b) => (a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : a.owner < b.owner ? -1 : 1));
  }

  /** A name and the hosts that it stands for, at each step of its chain. */
  #chainOf(spec: ServiceSpec): string[] {
    const visited = new Set<string>();
    const walk = (hostname: string) => {
      if (visited.has(hostname)) return;
      visited.add(hostname);
      for (const next of this.#byHost.get(hostname) ?? []) walk(next.aliasOf!);
    };
    walk(spec.hostname);
    walk(spec.aliasOf!);
    return [...visited];
  }
}

const none: readonly ServiceSpec[] = [];

function insert(index: Map<string, Set<ServiceSpec>>, key: string, spec: ServiceSpec): void {
  const specs = index.get(key);
  if (specs) specs.add(spec);
  else index.set(key, new Set([spec]));
}

function drop(index: Map<string, Set<ServiceSpec>>, key: string, spec: ServiceSpec): void {
  const specs = index.get(key);
  if (specs?.delete(spec) && !specs.size) index.delete(key);
}
