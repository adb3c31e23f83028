import type { ServiceSpec } from './service.ts';

/** Which services have an endpoint at an address. Nearly every address has one service: that one is kept without a set. */
export class EndpointIndex {
  readonly #byAddress = new Map<string, ServiceSpec | Set<ServiceSpec>>();

  /** The services at an address, each once. */
  at(address: string): Iterable<ServiceSpec> {
    const found = this.#byAddress.get(address);
    if (!found) return [];
    return found instanceof Set ? found : [found];
  }

  add(address: string, spec: ServiceSpec): void {
    const present = this.#byAddress.get(address);
    if (present instanceof Set) present.add(spec);
    else if (!present) this.#byAddress.set(address, spec);
    else if (present !== spec) this.#byAddress.set(address, new Set([present, spec]));
  }

  remove(address: string, spec: ServiceSpec): void {
    const present = this.#byAddress.get(address);
    if (present instanceof Set) present.delete(spec);
    if (present === spec || (present instanceof Set && present.size === 0)) this.#byAddress.delete(address);
  }
}
