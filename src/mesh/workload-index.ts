import type { ObjectKey } from './object-key.ts';
import { picks, type ServiceSpec, type Workload } from './service.ts';

/** The workloads that selectors may pick, and the services that select, by namespace. */
export class WorkloadIndex {
  /** Pods apart from the rest: a Kubernetes Service, of which there are many, never picks one. */
  readonly #pods = new Map<string, Map<ObjectKey, Workload>>();
  readonly #others = new Map<string, Map<ObjectKey, Workload>>();
  readonly #selecting = new Map<string, Set<ServiceSpec>>();

  /** Takes a workload in; answers what stood in its place. */
  put(workload: Workload): Workload | undefined {
    const before = this.delete(workload.owner, workload.namespace);
    const byNamespace = workload.isPod ? this.#pods : this.#others;
    const siblings = byNamespace.get(workload.namespace);
    if (siblings) siblings.set(workload.owner, workload);
    else byNamespace.set(workload.namespace, new Map([[workload.owner, workload]]));
    return before;
  }

  /** Forgets a workload and answers it; undefined where it was not known. */
  delete(key: ObjectKey, namespace: string): Workload | undefined {
    for (const byNamespace of [this.#pods, this.#others]) {
      const siblings = byNamespace.get(namespace);
      const before = siblings?.get(key);
      if (!siblings || !before) continue;
      siblings.delete(key);
      if (!siblings.size) byNamespace.delete(namespace);
      return before;
    }
    return undefined;
  }

  /** The workloads of a namespace. */
  *in(namespace: string): Generator<Workload> {
    for (const byNamespace of [this.#others, this.#pods]) yield* byNamespace.get(namespace)?.values() ?? [];
  }

  /** Takes in a service that has a selector. */
  addSelecting(spec: ServiceSpec): void {
    const specs = this.#selecting.get(spec.namespace);
    if (specs) specs.add(spec);
    else this.#selecting.set(spec.namespace, new Set([spec]));
  }

  removeSelecting(spec: ServiceSpec): void {
    const specs = this.#selecting.get(spec.namespace);
    if (specs?.delete(spec) && !specs.size) this.#selecting.delete(spec.namespace);
  }

  /** The services that pick a workload. */
  selecting(workload: Workload): ServiceSpec[] {
    return [...(this.#selecting.get(workload.namespace) ?? [])].filter((spec) => picks(spec, workload));
  }

  /** The workloads that a service picks, in an order of its own. */
  pickedBy(spec: ServiceSpec): Workload[] {
    if (!spec.workloadSelector) return [];
    const picked: Workload[] = [];
    for (const byNamespace of spec.registry === 'Kubernetes' ? [this.#others] : [this.#others, this.#pods]) {
      for (const workload of byNamespace.get(spec.namespace)?.values() ?? []) if (picks(spec, workload)) picked.push(workload);
    }
    return picked.sort((a, b) => (a.owner < b.owner ? -1 : 1));
  }
}
