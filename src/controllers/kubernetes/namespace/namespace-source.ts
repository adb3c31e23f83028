import type { ObjectStore } from '../../../runtime/cache/object-store.ts';
import type { KubernetesObject } from '../../../runtime/object.ts';
import type { Source } from '../../../runtime/source.ts';
import type { NamespaceFilter } from './namespace-filter.ts';

/**
 * Tells of a store's objects whenever their namespace comes or goes, so that their reconciler looks again.
 * Synced once the namespaces are: before that, nobody can say what takes part.
 */
export function namespaceSource<T extends KubernetesObject>(filter: NamespaceFilter, store: ObjectStore<T>): Source<T> {
  return {
    name: `namespaces of ${store.kind.kind}`,
    start(listener, signal) {
      if (signal.aborted) return;
      const unsubscribe = filter.onChange(({ namespaces, isSelectorChange }) => {
        const objects = isSelectorChange ? store.list() : [...namespaces].flatMap((namespace) => store.list({ namespace }));
        for (const object of objects) listener({ type: 'generic', object });
      });
      signal.addEventListener('abort', unsubscribe, { once: true });
    },
    waitForSync: (signal) => filter.waitForSync(signal),
  };
}
