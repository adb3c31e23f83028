import type { Change, Mesh } from '../mesh/mesh.ts';
import type { ObjectKey } from '../mesh/object-key.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import { type InboundInstance, traitsKey, traitsOf } from '../mesh/proxy-view.ts';
import { endpointAddresses, endpointPort } from '../mesh/service.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { MeshClass } from './mesh-class.ts';
import type { PatchReport, ProxyClass, ProxyClasses, Refresh, Urgency } from './proxy-class.ts';

/** The classes of the connected proxies, kept in step with one mesh. */
export class MeshClasses implements ProxyClasses {
  readonly #mesh: Mesh;
  readonly #logger: Logger;
  readonly #classes = new Map<string, { meshClass: MeshClass; members: number }>();
  readonly #listeners = new Set<(urgency: Urgency) => void>();
  /** Addresses of connected proxies, counted: a service that gains or loses one of them changes who is in which class. */
  readonly #addresses = new Map<string, number>();
  #hosts = new Set<string>();
  #objects = new Set<ObjectKey>();
  #isMembershipChanged = false;
  #isConfigChanged = false;

  /** @param logger told of resources that could not be computed; default: no one is */
  constructor(mesh: Mesh, logger: Logger = silentLogger) {
    this.#mesh = mesh;
    this.#logger = logger;
    mesh.onChange((change) => this.#note(change));
  }

  get meshRevision(): number {
    return this.#mesh.revision;
  }

  join(node: ProxyNode): ProxyClass {
    const key = this.classKeyOf(node);
    let entry = this.#classes.get(key);
    if (!entry) {
      const sidecar = this.#sidecarOf(node);
      const traits = { key, proxy: traitsOf(node, sidecar), inbound: this.#inboundOf(node) };
      entry = { meshClass: new MeshClass(this.#mesh, traits, sidecar, this.#logger), members: 0 };
      this.#classes.set(key, entry);
    }
    entry.members++;
    for (const address of node.ipAddresses) this.#addresses.set(address, (this.#addresses.get(address) ?? 0) + 1);
    return entry.meshClass;
  }

  leave(proxyClass: ProxyClass, node: ProxyNode): void {
    for (const address of node.ipAddresses) {
      const count = this.#addresses.get(address)! - 1;
      if (count) this.#addresses.set(address, count);
      else this.#addresses.delete(address);
    }
    const entry = this.#classes.get(proxyClass.key);
    if (!entry || --entry.members > 0) return;
    this.#classes.delete(proxyClass.key);
  }

  classKeyOf(node: ProxyNode): string {
    const sidecar = this.#sidecarOf(node);
    const inbound = this.#inboundOf(node).map(
      ({ service, port, targetPort }) =>
        `${service.spec.owner} ${service.spec.hostname}:${port.number}/${port.protocol}>${targetPort}`,
    );
    return [traitsKey(traitsOf(node, sidecar)), sidecar?.key ?? 'default', ...inbound].join('|');
  }

  onChange(listener: (urgency: Urgency) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  patchReport(_filter: ObjectKey, _version?: string): PatchReport | undefined {
    return undefined;
  }

  refresh(): Refresh {
    const hosts = this.#hosts;
    const objects = this.#objects;
    const membershipChanged = this.#isMembershipChanged;
    const isConfigChanged = this.#isConfigChanged;
    this.#hosts = new Set();
    this.#objects = new Set();
    this.#isMembershipChanged = false;
    this.#isConfigChanged = false;
    const changed: ProxyClass[] = [];
    for (const { meshClass } of this.#classes.values()) {
      try {
        if (this.#refreshClass(meshClass, hosts, objects, isConfigChanged)) changed.push(meshClass);
      } catch (error) {
        meshClass.isBroken = true;
        this.#logger.error('A class of proxies could not be computed; they keep what they have', { class: meshClass.key, error });
      }
    }
    return { changed, membershipChanged, objects: [...objects] };
  }

  /** A class that failed before is computed anew as a whole, so that no change is lost on it. */
  #refreshClass(
    meshClass: MeshClass,
    hosts: ReadonlySet<string>,
    objects: ReadonlySet<ObjectKey>,
    isConfigChanged: boolean,
  ): boolean {
    // A class whose Sidecar is gone keeps its shape: its members are about to leave it.
    const before = meshClass.sidecar;
    const fragment = before && this.#mesh.get(before.key);
    const sidecar = fragment?.kind === 'sidecar' ? fragment.sidecar : before;
    const isReshaped = isConfigChanged || meshClass.isBroken || sidecar !== before;
    if (!isReshaped) return meshClass.refresh(hosts, objects);
    meshClass.isBroken = false;
    return meshClass.reshape(sidecar, objects);
  }

  #note(change: Change): void {
    for (const host of change.hosts) this.#hosts.add(host);
    this.#objects.add(change.object);
    this.#isConfigChanged ||= change.isConfigChanged;
    this.#isMembershipChanged ||=
      change.isConfigChanged || change.ruledNamespace !== undefined || this.#isAnyMembers(change.addresses);
    for (const listener of this.#listeners) listener(change.endpointsOnly ? 'endpoints' : 'configuration');
  }

  /** Whether a connected proxy has one of the addresses: it may serve other services than before, which makes another class of it. */
  #isAnyMembers(addresses: ReadonlySet<string>): boolean {
    for (const address of addresses) if (this.#addresses.has(address)) return true;
    return false;
  }

  #sidecarOf(node: ProxyNode) {
    return this.#mesh.sidecars.select(node.namespace, node.labels, this.#mesh.config.rootNamespace);
  }

  /** The service ports that a proxy's workload serves: it is an endpoint of theirs, and they belong to the mesh. */
  #inboundOf(node: ProxyNode): InboundInstance[] {
    const instances = new Map<string, InboundInstance>();
    for (const address of node.ipAddresses) {
      for (const service of this.#mesh.services.servicesAt(address)) {
        if (service.spec.isExternal) continue;
        for (const endpoint of service.endpoints) {
          if (!endpointAddresses(endpoint).includes(address)) continue;
          for (const port of service.spec.ports) {
            const targetPort = endpointPort(endpoint, port);
            if (targetPort <= 0) continue;
            instances.set(`${service.spec.owner} ${service.spec.hostname} ${port.number} ${targetPort}`, {
              service,
              port,
              targetPort,
            });
          }
        }
      }
    }
    return [...instances.keys()].sort().map((key) => instances.get(key)!);
  }
}
