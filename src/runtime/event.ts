import type { DeepReadonly, KubernetesObject } from './object.ts';

/** What a source tells about one object of its kind. */
export type Event<T extends KubernetesObject = KubernetesObject> =
  | {
      readonly type: 'create';
      readonly object: DeepReadonly<T> /** Part of the source's first list. */;
      readonly isInInitialList: boolean;
    }
  | { readonly type: 'update'; readonly objectOld: DeepReadonly<T>; readonly objectNew: DeepReadonly<T> }
  | {
      readonly type: 'delete';
      readonly object: DeepReadonly<T>;
      /** The delete itself was missed and found by a re-list; `object` may be stale. */
      readonly deleteStateUnknown: boolean;
    }
  | { readonly type: 'generic'; readonly object: DeepReadonly<T> };
