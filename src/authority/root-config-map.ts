import type { ObjectStore } from '../runtime/cache/object-store.ts';
import { isNamespaceTerminating, isNotFound } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { KubernetesObject } from '../runtime/object.ts';
import type { ReconcileContext, Reconciler, Request, Result } from '../runtime/reconciler.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { TrustSource } from './authority.ts';

/** A core/v1 ConfigMap. */
export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Kubernetes' ConfigMap. */
export const configMapKind: ResourceKind<ConfigMap> = {
  group: '',
  version: 'v1',
  servedVersions: ['v1'],
  kind: 'ConfigMap',
  plural: 'configmaps',
  scope: 'Namespaced',
};

/** Whose fields these are. */
export const rootFieldManager = 'weft-root-certificate';

export interface RootConfigMapOptions {
  /** Of the ConfigMap in each namespace. */
  readonly name: string;
  /** The key in it. */
  readonly key: string;
  /** The ConfigMaps of that name, in every namespace. */
  readonly store: ObjectStore<ConfigMap>;
  readonly client: Pick<Client, 'apply'>;
  readonly trust: TrustSource;
  /** Whether pods of a namespace need the CA. */
  readonly needsRoot: (namespace: string) => boolean;
  readonly clock: Clock;
}

/** Restored at most this often in a namespace, in milliseconds: another that keeps changing it must not make a loop of two programs. */
const restoreEveryMs = 1000;

/**
 * Keeps the CA in a ConfigMap of each namespace with injected pods. One that a namespace needs no more is left as it is: pods may have it
 * mounted, and it holds nothing secret.
 */
export class RootConfigMap implements Reconciler {
  readonly #options: RootConfigMapOptions;
  readonly #appliedAtMs = new Map<string, number>();

  constructor(options: RootConfigMapOptions) {
    this.#options = options;
  }

  /** `request.name`: the namespace. */
  async reconcile({ name: namespace }: Request, { logger, signal }: ReconcileContext): Promise<Result> {
    const { name: configMap, key, store, client, trust, needsRoot, clock } = this.#options;
    if (!needsRoot(namespace)) {
      this.#appliedAtMs.delete(namespace);
      return {};
    }
    const bundle = trust.current;
    if (bundle === undefined) return {};
    const present = store.get(`${namespace}/${configMap}`);
    if (present?.data?.[key] === bundle) return {};
    const sinceMs = clock.monotonicMs() - (this.#appliedAtMs.get(namespace) ?? Number.NEGATIVE_INFINITY);
    if (sinceMs < restoreEveryMs) return { requeueAfterMs: restoreEveryMs - sinceMs };
    const applied = { metadata: { name: configMap, namespace }, data: { [key]: bundle } };
    try {
      await client.apply(configMapKind, applied, { fieldManager: rootFieldManager, force: true, signal });
    } catch (error) {
      // The namespace has gone, or is going: nothing can be made in it any more.
      if (isNotFound(error) || isNamespaceTerminating(error)) return {};
      throw error;
    }
    this.#appliedAtMs.set(namespace, clock.monotonicMs());
    logger.info('The CA was written', { namespace, configMap });
    return {};
  }
}
