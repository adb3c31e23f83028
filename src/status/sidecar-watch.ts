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
   * @param unresolved objects that miss something, by the reason of their condition `ResolvedRefs`
   */
  drain(unresolved: ReadonlyMap<string, ReadonlySet<ObjectKey>>): Set<ObjectKey> {
    const { revision, sidecars, services, verdicts } = this.#mesh;
    // Which namespace is the root, and who sees what by default, concerns all.
    const keys = new Set<ObjectKey>(this.#isConfigChanged ? verdicts.keys() : this.#owners);
    this.#owners.clear();
    for (const namespace of this.#namespaces) for (const { key } of sidecars.inNamespace(namespace)) keys.add(key);
    // Gone for all, or for those that it is not exported to.
    const isGone = (host: string) => services.servicesOf(host).every(({ spec }) => spec.visibility.kind !== 'all');
    const gone = new Set([...this.#hosts].filter(isGone));
    if (gone.size) for (const sidecar of sidecars.all()) if (namesAny(sidecar, gone)) keys.add(sidecar.key);
    for (const [reason, objects] of unresolved) this.#addResolvable(keys, reason, objects);
    this.#namespaces.clear();
    this.#hosts.clear();
    this.#isConfigChanged = false;
    this.#revision = revision;
    return keys;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Of objects that miss something, for one reason, those for which it may be there now. */
  #addResolvable(keys: Set<ObjectKey>, reason: string, objects: ReadonlySet<ObjectKey>): void {
    if (reason === 'NoMatchingWorkloads') {
      // Of the Sidecars of a namespace that something happened in, all are looked at.
      const isNoted = (key: ObjectKey) => !key.startsWith('Sidecar/') && this.#namespaces.has(parseObjectKey(key).namespace);
      if (this.#namespaces.size > 0) for (const key of objects) if (isNoted(key)) keys.add(key);
    } else if (reason === 'HostNotFound') {
      if (this.#hosts.size > 0) for (const key of objects) if (this.#namesChanged(key)) keys.add(key);
    } else if (this.#mesh.revision !== this.#revision) for (const key of objects) keys.add(key);
  }

  #namesChanged(key: ObjectKey): boolean {
    const fragment = this.#mesh.get(key);
    return fragment?.kind !== 'sidecar' || namesAny(fragment.sidecar, this.#hosts);
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
