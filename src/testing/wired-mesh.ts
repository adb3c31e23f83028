import { namespaceKind } from '../api/kubernetes/namespace.ts';
import { NamespaceFilter, wireMesh } from '../controllers/index.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { MeshConfig } from '../mesh/mesh-config.ts';
import { Cache } from '../runtime/cache/cache.ts';
import { silentLogger } from '../runtime/logger.ts';
import { type DeepReadonly, type KubernetesObject, type ObjectName, objectName } from '../runtime/object.ts';
import type { AddingQueue } from '../runtime/queue/work-queue.ts';
import type { Reconciler, Result } from '../runtime/reconciler.ts';
import { everyKind, kindOf } from './load-mesh.ts';

/**
 * The mesh behind its real sources of events and reconcilers, without timers: events become names in the same turn, and names are
 * worked off when the test says so. For random histories, thousands in a row.
 */
export class WiredMesh {
  readonly mesh: Mesh;
  readonly cache = new Cache();
  readonly namespaces: NamespaceFilter;
  readonly #queues: { readonly reconciler: Reconciler; readonly names: Set<ObjectName> }[] = [];
  readonly #stop = new AbortController();
  #generation = 0;

  constructor(config: MeshConfig) {
    this.mesh = new Mesh(config, () => 0);
    for (const kind of everyKind) this.cache.store(kind).replace([]);
    this.namespaces = new NamespaceFilter(this.cache.store(namespaceKind), this.mesh);
    const { cache, mesh, namespaces } = this;
    for (const { reconciler, watches } of wireMesh({ cache, mesh, kubernetes: { namespaces } })) {
      const names = new Set<ObjectName>();
      this.#queues.push({ reconciler, names });
      const queue: AddingQueue = {
        add: (name) => void names.add(name),
        addWithOptions: (_options, ...added) => {
          for (const name of added) names.add(name);
        },
      };
      for (const { source, handler, predicates } of watches) {
        void source.start((event) => {
          if (predicates.every((predicate) => predicate(event))) handler(event, queue);
        }, this.#stop.signal);
      }
    }
  }

  /** Puts an object into the cache, as its next generation. */
  apply(object: DeepReadonly<KubernetesObject>): void {
    const generation = ++this.#generation;
    this.cache.store(kindOf(object)).apply({ ...object, metadata: { ...object.metadata, generation } });
  }

  remove(object: DeepReadonly<KubernetesObject>): void {
    this.cache.store(kindOf(object)).delete(objectName(object));
  }

  /** Reconciles what is due, up to so many names; default: all of it. */
  work(atMost = Number.POSITIVE_INFINITY): void {
    let left = atMost;
    for (const { reconciler, names } of this.#queues) {
      for (const name of names) {
        if (left-- <= 0) return;
        names.delete(name);
        const result: Result | Promise<Result> = reconciler.reconcile(
          { name },
          { signal: this.#stop.signal, logger: silentLogger, reconcileID: '' },
        );
        if (result instanceof Promise) throw new Error('a reconciler that takes its time cannot be worked off in one turn');
      }
    }
  }

  close(): void {
    this.#stop.abort();
    this.namespaces.close();
  }
}
