import type { ObjectStore } from '../runtime/cache/object-store.ts';
import type { ObjectName } from '../runtime/object.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { Authority } from './authority.ts';
import { believes, type WebhookConfiguration, withoutBundle } from './ca-bundle.ts';

export interface BelievedCheckOptions {
  /** Where a source keeps the configurations of each kind. */
  readonly stores: ReadonlyMap<ResourceKind<WebhookConfiguration>, Pick<ObjectStore<WebhookConfiguration>, 'hasSynced' | 'get'>>;
  /** The configurations' name. */
  readonly name: ObjectName;
  readonly authority: Pick<Authority, 'trust' | 'certificates'>;
}

/**
 * A readiness check that fails as long as the API server would not believe the webhooks, so that `helm install --wait` returns when pods can
 * be made. Once they have been believed it passes for good: proxies must not lose the operator because a field of another object is
 * spoilt. Where there is no configuration there is nothing to believe.
 */
export function believedCheck({ stores, name, authority }: BelievedCheckOptions): () => void {
  const waiting = new Map(stores);
  return () => {
    const shown = authority.certificates.current;
    for (const [kind, store] of waiting) {
      if (!store.hasSynced) throw new Error(`${kind.plural} are not listed yet`);
      const missing = withoutBundle(store.get(name)?.webhooks ?? [], authority.trust.current ?? '')
        // While a CA is replaced, replicas may differ for a while in whom they believe besides; what counts is what this one shows.
        .filter((webhook) => !shown || !believes(webhook, shown))
        .map((webhook) => webhook.name);
      if (missing.length > 0)
        throw new Error(
          `nobody has applied the CA of this replica as caBundle to ${kind.kind} ${name} yet: ${missing.join(', ')}`,
        );
      waiting.delete(kind);
    }
  };
}
