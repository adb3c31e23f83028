import type { Finding } from '../api/finding.ts';
import { hasErrors } from '../api/finding.ts';
import type { MeshKind } from '../api/kind.ts';
import type { Fragment, Mesh } from '../mesh/mesh.ts';
import { objectKey } from '../mesh/object-key.ts';
import type { ObjectStore } from '../runtime/cache/object-store.ts';
import { type DeepReadonly, type KubernetesObject, parseObjectName } from '../runtime/object.ts';
import type { Reconciler, Request, Result } from '../runtime/reconciler.ts';
import { checkObject } from './check-object.ts';

/** What an object means to the mesh, or why it means nothing. */
export type Compiled =
  | {
      readonly outcome: 'accepted';
      readonly fragment: Fragment /** What the object asks for and does not get. */;
      readonly warnings?: readonly Finding[];
    }
  | { readonly outcome: 'unsupported'; readonly finding: Finding };

export interface FragmentReconcilerOptions<T extends KubernetesObject> {
  readonly kind: MeshKind<T>;
  readonly store: ObjectStore<T>;
  readonly mesh: Mesh;
  /** Pure: only called with an object that has passed validation. */
  readonly compile: (object: DeepReadonly<T>) => Compiled;
  /** What of an object's status its meaning depends on, as text that can be compared. Default: nothing. */
  readonly readStatus?: (object: DeepReadonly<T>) => string;
  /** Whether a namespace takes part; an object of another is as one that is not there. Default: all do. */
  readonly includes?: (namespace: string) => boolean;
}

/**
 * Keeps one kind's fragments in the mesh: validates and compiles each generation once. An object that is being deleted is gone.
 * An invalid generation leaves the last good one in force and is said in the verdict.
 */
export class FragmentReconciler<T extends KubernetesObject> implements Reconciler {
  readonly #options: FragmentReconcilerOptions<T>;
  /** The content last judged, by object: a status written back must not compile the object again. */
  readonly #judged = new Map<string, { generation: number | undefined; object: DeepReadonly<T> }>();

  constructor(options: FragmentReconcilerOptions<T>) {
    this.#options = options;
  }

  reconcile(request: Request): Result {
    const { kind, store, mesh, compile, includes = () => true } = this.#options;
    const { namespace, name } = parseObjectName(request.name);
    const key = objectKey(kind.kind, namespace, name);
    const object = includes(namespace) ? store.get(request.name) : undefined;
    // What is being deleted is withdrawn at once; finalizers only hold up its end until proxies have dropped it.
    if (!object || object.metadata.deletionTimestamp !== undefined) {
      this.#judged.delete(request.name);
      mesh.delete(key);
      mesh.verdicts.delete(key);
      return {};
    }
    if (this.#isJudged(request.name, object)) return {};
    const { generation = 0, uid } = object.metadata;
    const findings = checkObject(kind, object);
    if (hasErrors(findings)) {
      const generationInForce = mesh.verdicts.get(key)?.generationInForce;
      mesh.verdicts.set(key, { generation, uid, outcome: 'invalid', findings, generationInForce });
    } else {
      const compiled = compile(object);
      if (compiled.outcome === 'accepted') {
        mesh.put(key, compiled.fragment);
        const all = [...findings, ...(compiled.warnings ?? [])];
        mesh.verdicts.set(key, { generation, uid, outcome: 'accepted', findings: all, generationInForce: generation });
      } else {
        mesh.delete(key);
        mesh.verdicts.set(key, {
          generation,
          uid,
          outcome: 'unsupported',
          findings: [...findings, compiled.finding],
          generationInForce: undefined,
        });
      }
    }
    this.#judged.set(request.name, { generation: object.metadata.generation, object });
    return {};
  }

  /** Labels, annotations and creation time are compared too: they are read, and do not count as a generation. */
  #isJudged(name: string, object: DeepReadonly<T>): boolean {
    const judged = this.#judged.get(name);
    if (!judged || judged.generation === undefined || judged.generation !== object.metadata.generation) return false;
    const { readStatus = () => '' } = this.#options;
    const [before, now] = [judged.object.metadata, object.metadata];
    return (
      readStatus(judged.object) === readStatus(object) &&
      before.uid === now.uid &&
      before.creationTimestamp === now.creationTimestamp &&
      JSON.stringify([before.labels, before.annotations]) === JSON.stringify([now.labels, now.annotations])
    );
  }
}

/** When an object was made, in milliseconds; what has no date counts as oldest. */
export function createdAtMs(object: DeepReadonly<KubernetesObject>): number {
  const { creationTimestamp } = object.metadata;
  return creationTimestamp === undefined ? 0 : Date.parse(creationTimestamp);
}
