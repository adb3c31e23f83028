import type { ObjectKey } from './object-key.ts';
import { selects } from './service.ts';
import type { Sidecar } from './sidecar.ts';

/** Finds the Sidecar of a workload in Istio's order: by selector, the namespace's default, the root namespace's default. */
export class SidecarIndex {
  /** By namespace, older first. */
  readonly #byNamespace = new Map<string, Sidecar[]>();

  put(sidecar: Sidecar): void {
    this.delete(sidecar.key, sidecar.namespace);
    const siblings = this.#byNamespace.get(sidecar.namespace) ?? [];
    siblings.push(sidecar);
    siblings.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.name < b.name ? -1 : 1));
    this.#byNamespace.set(sidecar.namespace, siblings);
  }

  delete(key: ObjectKey, namespace: string): void {
    const rest = this.#byNamespace.get(namespace)?.filter((sidecar) => sidecar.key !== key);
    if (rest?.length) this.#byNamespace.set(namespace, rest);
    else this.#byNamespace.delete(namespace);
  }

  /** The Sidecar in force for a workload; undefined: Istio's default scope. */
  select(namespace: string, labels: Readonly<Record<string, string>>, rootNamespace: string): Sidecar | undefined {
    const own = this.#byNamespace.get(namespace) ?? [];
    return (
      own.find((sidecar) => sidecar.workloadSelector && selects(sidecar.workloadSelector, labels)) ??
      own.find((sidecar) => !sidecar.workloadSelector) ??
      this.#byNamespace.get(rootNamespace)?.find((sidecar) => !sidecar.workloadSelector)
    );
  }

  /**
   * The older Sidecar that claims the same workloads as a whole: the same selector, or none, in the same namespace.
   * Selectors that merely overlap are decided for each workload by {@link select}.
   */
  olderRival(sidecar: Sidecar): Sidecar | undefined {
    const rivals = this.#byNamespace.get(sidecar.namespace) ?? [];
    const first = rivals.find((other) => sameSelector(other.workloadSelector, sidecar.workloadSelector));
    return first?.key === sidecar.key ? undefined : first;
  }

  /** Every Sidecar of a namespace, older first. */
  inNamespace(namespace: string): readonly Sidecar[] {
    return this.#byNamespace.get(namespace) ?? [];
  }
}

function sameSelector(a?: Readonly<Record<string, string>>, b?: Readonly<Record<string, string>>): boolean {
  if (!a || !b) return a === b;
  return Object.keys(a).length === Object.keys(b).length && selects(a, b);
}
