import { type TypeUrl, typeUrls } from '../envoy/resource.ts';
import type { Service } from '../mesh/service.ts';

/** The services of one egress listener that take part in a target. */
export interface Participants {
  /** Index of the egress listener. */
  readonly egress: number;
  readonly services: Iterable<Service>;
}

/**
 * The services that take part in one target, by egress listener. Clusters and endpoints have one service, and a proxy that sees the whole
 * mesh has tens of thousands of them in each class: a sole service is kept without a map.
 */
export class Membership {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  #soleEgress = 0;
  #sole: Service | undefined;
  #many: Map<number, Map<string, Service>> | undefined;

  constructor(typeUrl: TypeUrl, name: string) {
    this.typeUrl = typeUrl;
    this.name = name;
  }

  /** Takes a service in, in place of what its host was before. */
  join(egress: number, service: Service): void {
    const { hostname } = service.spec;
    if (!this.#many) {
      if (!this.#sole || (this.#soleEgress === egress && this.#sole.spec.hostname === hostname)) {
        this.#soleEgress = egress;
        this.#sole = service;
        return;
      }
      this.#many = new Map([[this.#soleEgress, new Map([[this.#sole.spec.hostname, this.#sole]])]]);
      this.#sole = undefined;
    }
    const services = this.#many.get(egress);
    if (services) services.set(hostname, service);
    else this.#many.set(egress, new Map([[hostname, service]]));
  }

  /** Lets a host go; answers whether nobody takes part any more. */
  leave(egress: number, hostname: string): boolean {
    if (!this.#many) {
      if (this.#soleEgress === egress && this.#sole?.spec.hostname === hostname) this.#sole = undefined;
      return !this.#sole;
    }
    const services = this.#many.get(egress);
    services?.delete(hostname);
    if (services?.size === 0) this.#many.delete(egress);
    return this.#many.size === 0;
  }

  /** All who take part, those of the first egress listener first. */
  *all(): Generator<Service> {
    if (this.#sole) yield this.#sole;
    const listeners = [...(this.#many?.keys() ?? [])].sort((a, b) => a - b);
    for (const listener of listeners) yield* this.#many!.get(listener)!.values();
  }

  /**
   * Who counts: the first egress listener that has a part in it. Clusters and endpoints are common to all listeners: where those have
   * different services of one host, a Kubernetes Service goes before a ServiceEntry (Istio's rule, against squatting on its name).
   */
  first(): Participants {
    if (!this.#many) return { egress: this.#soleEgress, services: this.#sole ? [this.#sole] : [] };
    const listeners = [...this.#many.keys()].sort((a, b) => a - b);
    const isCommon = this.typeUrl === typeUrls.cluster || this.typeUrl === typeUrls.endpoint;
    const isKubernetes = (listener: number) =>
      this.#many!.get(listener)!
        .values()
        .some(({ spec }) => spec.registry === 'Kubernetes');
    const egress = (isCommon ? listeners.find(isKubernetes) : undefined) ?? listeners[0]!;
    return { egress, services: this.#many.get(egress)!.values() };
  }
}
