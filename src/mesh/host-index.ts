/** The hosts that have a service in a namespace: what an egress pattern of one namespace can mean at most. */
export class HostIndex {
  /** By namespace, how many services of a host there are. */
  readonly #counts = new Map<string, Map<string, number>>();

  /** The hosts of a namespace, in no particular order. */
  in(namespace: string): Iterable<string> {
    return this.#counts.get(namespace)?.keys() ?? [];
  }

  add(namespace: string, hostname: string): void {
    const counts = this.#counts.get(namespace) ?? new Map<string, number>();
    counts.set(hostname, (counts.get(hostname) ?? 0) + 1);
    this.#counts.set(namespace, counts);
  }

  remove(namespace: string, hostname: string): void {
    const counts = this.#counts.get(namespace);
    const left = (counts?.get(hostname) ?? 0) - 1;
    if (left > 0) counts!.set(hostname, left);
    else counts?.delete(hostname);
    if (counts?.size === 0) this.#counts.delete(namespace);
  }
}
