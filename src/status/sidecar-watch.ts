import type { Mesh } from '../mesh/mesh.ts';
import { type ObjectKey, parseObjectKey } from '../mesh/object-key.ts';
import { matchesHost, type Sidecar } from '../mesh/sidecar.ts';

/**
 * Notes whose standing among other objects may have changed: Sidecars of a namespace whose workloads or Sidecars changed, Sidecars that
 * name a host which is gone, what misses something that may be there now, and whoever declares a host that another object has changed: by a
 * workload that it selects, or by a claim to it. Notes are cheap, and worked off when asked.
 */
export class SidecarWatch {
  readonly #mesh: Mesh;
  readonly #namespaces = new Set<string>();
  readonly #hosts = new Set<string>();
  /** They declare hosts that another one has changed. */
  readonly #owners = new Set<ObjectKey>();
  readonly #unsubscribe: readonly (() => void)[];
  #isConfigChanged = false;
  #revision: number;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.#revision = mesh.revision;
    this.#unsubscribe = [
      mesh.services.onWorkloads((namespace) => this.#namespaces.add(namespace)),
      mesh.onChange(({ object, ruledNamespace, hosts, endpointsOnly, isConfigChanged }) => {
        if (ruledNamespace !== undefined && parseObjectKey(object).kind === 'Sidecar') this.#namespaces.add(ruledNamespace);
        this.#isConfigChanged ||= isConfigChanged;
        if (!endpointsOnly) for (const host of hosts) this.#hosts.add(host);
        for (const host of hosts) {
          for (const { spec } of mesh.services.servicesOf(host)) if (spec.owner !== object) this.#owners.add(spec.owner);
        }
      }),
    ];
  }

  /** A proxy of the namespace has come or gone. */
  noteProxies(namespace: string): void {
    this.#namespaces.add(namespace);
  }

  /**
   * The objects to look at again since the last time.
   * @param unresolved objects that miss something, and the reason of their condition `ResolvedRefs`
   */
  drain(unresolved: ReadonlyMap<ObjectKey, string>): Set<ObjectKey> {
    const { revision, sidecars, services, verdicts } = this.#mesh;
    // Which namespace is the root, and who sees what by default, concerns all.
    const keys = new Set<ObjectKey>(this.#isConfigChanged ? verdicts.keys() : this.#owners);
    this.#owners.clear();
    for (const namespace of this.#namespaces) for (const { key } of sidecars.inNamespace(namespace)) keys.add(key);
    // Gone for all, or for those that it is not exported to.
    const isGone = (host: string) => services.servicesOf(host).every(({ spec }) => spec.visibility.kind !== 'all');
    const gone = new Set([...this.#hosts].filter(isGone));
    if (gone.size) for (const sidecar of sidecars.all()) if (namesAny(sidecar, gone)) keys.add(sidecar.key);
    for (const [key, reason] of unresolved) if (this.#mayBeResolved(key, reason)) keys.add(key);
    this.#namespaces.clear();
    this.#hosts.clear();
    this.#isConfigChanged = false;
    this.#revision = revision;
    return keys;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #mayBeResolved(key: ObjectKey, reason: string): boolean {
    if (this.#isConfigChanged) return true;
    if (reason === 'NoMatchingWorkloads') return this.#namespaces.size > 0 && this.#namespaces.has(parseObjectKey(key).namespace);
    const fragment = this.#mesh.get(key);
    if (reason === 'HostNotFound' && fragment?.kind === 'sidecar') return namesAny(fragment.sidecar, this.#hosts);
    return this.#mesh.revision !== this.#revision;
  }
}

/** Whether a Sidecar names one of the hosts, in full or by a pattern that is not for all. */
function namesAny({ egress, outboundTrafficPolicy }: Sidecar, hostnames: ReadonlySet<string>): boolean {
  if (hostnames.size === 0) return false;
  const { egressProxy } = outboundTrafficPolicy ?? {};
  if (egressProxy && hostnames.has(egressProxy.host)) return true;
  return egress.some(({ hosts }) => hosts.some(({ host }) => host !== '*' && isAmong(host, hostnames)));
}

function isAmong(pattern: string, hostnames: ReadonlySet<string>): boolean {
  if (!pattern.startsWith('*')) return hostnames.has(pattern);
  return hostnames.values().some((hostname) => matchesHost(pattern, hostname));
}
