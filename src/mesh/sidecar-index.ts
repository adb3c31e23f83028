import type { ObjectKey } from './object-key.ts';
import { selects } from './service.ts';
import type { Sidecar } from './sidecar.ts';

/** What takes every workload from a Sidecar, and why it may; `why` completes the sentence 'Sidecar shop/web ...'. */
export interface Rival {
  readonly key: ObjectKey;
  readonly why: string;
}

/** Finds the Sidecar of a workload in Istio's order: by selector, the namespace's default, the root namespace's default. */
export class SidecarIndex {
  /** By namespace, older first. */
  readonly #byNamespace = new Map<string, Sidecar[]>();

  put(sidecar: Sidecar): void {
    this.delete(sidecar.key, sidecar.namespace);
    const siblings = this.#byNamespace.get(sidecar.namespace) ?? [];
    siblings.push(sidecar);
    siblings.sort((a, b) => (isBefore(a, b) ? -1 : 1));
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
   * The Sidecar that leaves another one no workload at all, whichever come: an older one whose selector asks for no more,
   * of those without a selector the oldest, and one that selects everything in place of the namespace's default.
   * Selectors that merely overlap are decided for each workload by {@link select}.
   */
  rivalOf(sidecar: Sidecar, rootNamespace: string): Rival | undefined {
    const { workloadSelector, namespace } = sidecar;
    for (const other of this.inNamespace(namespace)) {
      if (other.key === sidecar.key) {
        if (workloadSelector || namespace === rootNamespace) return undefined;
        continue;
      }
      if (sameSelector(other.workloadSelector, workloadSelector)) {
        if (isBefore(other, sidecar)) return { key: other.key, why: 'is older and claims the same' };
      } else if (other.workloadSelector && workloadSelector && selects(other.workloadSelector, workloadSelector)) {
        return { key: other.key, why: 'is older and selects every workload that this one does' };
      } else if (
        other.workloadSelector &&
        !workloadSelector &&
        namespace !== rootNamespace &&
        selects(other.workloadSelector, {})
      ) {
        return { key: other.key, why: 'has a selector, which goes before none, and selects every workload' };
      }
    }
    return undefined;
  }

  /** The Sidecars, older ones of the same namespace with a selector, that may be in force where another one's selector picks as well. */
  olderSelecting(sidecar: Sidecar): Sidecar[] {
    if (!sidecar.workloadSelector) return [];
    return this.inNamespace(sidecar.namespace).filter((other) => other.workloadSelector && isBefore(other, sidecar));
  }

  /** Every Sidecar of the mesh. */
  *all(): Generator<Sidecar> {
    for (const sidecars of this.#byNamespace.values()) yield* sidecars;
  }

  /** Every Sidecar of a namespace, older first. */
  inNamespace(namespace: string): readonly Sidecar[] {
    return this.#byNamespace.get(namespace) ?? [];
  }
}

/** Older first, of the same age by name. */
function isBefore(a: Sidecar, b: Sidecar): boolean {
  return a.createdAtMs === b.createdAtMs ? a.name < b.name : a.createdAtMs < b.createdAtMs;
}

function sameSelector(a?: Readonly<Record<string, string>>, b?: Readonly<Record<string, string>>): boolean {
  if (!a || !b) return a === b;
  return Object.keys(a).length === Object.keys(b).length && selects(a, b);
}
