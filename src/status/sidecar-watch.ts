import type { Mesh } from '../mesh/mesh.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import { matchesHost, type Sidecar } from '../mesh/sidecar.ts';

/**
 * Notes whose standing among other objects may have changed: Sidecars of a namespace whose workloads or Sidecars changed, Sidecars that
 * name a host which is gone. Notes are cheap, and worked off when asked.
 */
export class SidecarWatch {
  readonly #mesh: Mesh;
  readonly #namespaces = new Set<string>();
  readonly #hosts = new Set<string>();
  readonly #unsubscribe: readonly (() => void)[];
  #revision: number;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.#revision = mesh.revision;
    this.#unsubscribe = [
      mesh.services.onWorkloads((namespace) => this.#namespaces.add(namespace)),
      mesh.onChange(({ ruledNamespace, hosts, endpointsOnly }) => {
        if (ruledNamespace !== undefined) this.#namespaces.add(ruledNamespace);
        if (!endpointsOnly) for (const host of hosts) this.#hosts.add(host);
      }),
    ];
  }

  /** A proxy of the namespace has come or gone. */
  noteProxies(namespace: string): void {
    this.#namespaces.add(namespace);
  }

  /**
   * The objects to look at again since the last time.
   * @param unresolved objects that miss something: looked at again after any change
   */
  drain(unresolved: Iterable<ObjectKey>): Set<ObjectKey> {
    const { revision, sidecars, services } = this.#mesh;
    const keys = new Set<ObjectKey>();
    for (const namespace of this.#namespaces) for (const { key } of sidecars.inNamespace(namespace)) keys.add(key);
    const gone = [...this.#hosts].filter((host) => services.servicesOf(host).length === 0);
    if (gone.length) for (const sidecar of sidecars.all()) if (gone.some((host) => names(sidecar, host))) keys.add(sidecar.key);
    if (this.#namespaces.size || revision !== this.#revision) for (const key of unresolved) keys.add(key);
    this.#namespaces.clear();
    this.#hosts.clear();
    this.#revision = revision;
    return keys;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}

function names({ egress, outboundTrafficPolicy }: Sidecar, hostname: string): boolean {
  if (outboundTrafficPolicy?.egressProxy?.host === hostname) return true;
  return egress.some(({ hosts }) => hosts.some(({ host }) => host !== '*' && matchesHost(host, hostname)));
}
