import type { ObjectStore } from '../runtime/cache/object-store.ts';
import type { ObjectName } from '../runtime/object.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { TrustSource } from './authority.ts';
import { type WebhookConfiguration, withoutBundle } from './ca-bundle.ts';

export interface BelievedCheckOptions {
  /** Where a source keeps the configurations of each kind. */
  readonly stores: ReadonlyMap<ResourceKind<WebhookConfiguration>, Pick<ObjectStore<WebhookConfiguration>, 'hasSynced' | 'get'>>;
  /** The configurations' name. */
  readonly name: ObjectName;
  readonly trust: TrustSource;
}

/**
 * A readiness check that fails as long as the API server would not believe the webhooks, so that `helm install --wait` returns when pods can
 * be made. Once they have been believed it passes for good: proxies must not lose the operator because a field of another object is
 * spoilt. Where there is no configuration there is nothing to believe.
 */
export function believedCheck({ stores, name, trust }: BelievedCheckOptions): () => void {
  const waiting = new Map(stores);
  return () => {
    for (const [kind, store] of waiting) {
      if (!store.hasSynced) throw new Error(`${kind.plural} are not listed yet`);
      const missing = withoutBundle(store.get(name)?.webhooks ?? [], trust.current ?? '').map((webhook) => webhook.name);
      if (missing.length > 0)
        throw new Error(`the leader has not applied caBundle to ${kind.kind} ${name} yet: ${missing.join(', ')}`);
      waiting.delete(kind);
    }
  };
}
