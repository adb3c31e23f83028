import type { KubernetesObject } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';
import type { Source } from '../source.ts';
import type { Cache } from './cache.ts';

/** The events of a kind's store: what a controller watches (controller-runtime's source.Kind). */
export function informerSource<T extends KubernetesObject>(cache: Cache, kind: ResourceKind<T>): Source<T> {
  const store = cache.store(kind);
  return {
    name: `kind ${kind.kind}`,
    start(listener, signal) {
      if (signal.aborted) return;
      const unsubscribe = store.subscribe(listener);
      signal.addEventListener('abort', unsubscribe, { once: true });
    },
    waitForSync: (signal) => store.waitForSync(signal),
  };
}
