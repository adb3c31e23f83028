import type { ObjectStore } from '../runtime/cache/object-store.ts';
import { isConflict, isNotFound } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ReconcileContext, Reconciler, Request, Result } from '../runtime/reconciler.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { Authority } from './authority.ts';
import { believes, bundlesOf, caBundleFieldManager, caBundleOf, type WebhookConfiguration } from './ca-bundle.ts';
import { Patience } from './patience.ts';
import { isVouchedFor } from './succession.ts';
import { joinBundles, readTold } from './told-bundle.ts';

export interface BundleAdditionOptions {
  readonly kind: ResourceKind<WebhookConfiguration>;
  readonly store: Pick<ObjectStore<WebhookConfiguration>, 'get'>;
  readonly client: Pick<Client, 'apply'>;
  /** The replica's own, without what others have told. */
  readonly authority: Authority;
  readonly clock: Clock;
}

/** How long the other one's write is waited for, in milliseconds. */
const conflictPauseMs = 1000;

/**
 * Adds the CA of what this replica shows to `caBundle` where a leader has not: one with an authority of another kind does not know it,
 * and goes on leading until a replica like this one is ready. Nothing is ever taken away; that is for the leader.
 */
export class BundleAddition implements Reconciler {
  readonly #options: BundleAdditionOptions;
  readonly #patience: Patience;

  constructor(options: BundleAdditionOptions) {
    this.#options = options;
    this.#patience = new Patience(options.clock);
  }

  /** `request.name`: the configuration. */
  async reconcile({ name }: Request, { logger, signal }: ReconcileContext): Promise<Result> {
    const { kind, store, client, authority } = this.#options;
    const configuration = store.get(name);
    const [shown, own] = [authority.certificates.current, authority.trust.current];
    const webhooks = configuration?.webhooks ?? [];
    // Where the own CA does not vouch for it either, to add that would not help.
    const isMissing = shown && own !== undefined && isVouchedFor(shown, own) && !webhooks.every((each) => believes(each, shown));
    const leftMs = this.#patience.leftMs(Boolean(isMissing));
    if (!configuration || !isMissing) return {};
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const applied = {
      // Only in the version that was read: what a leader has taken away meanwhile stays away.
      metadata: { name, resourceVersion: configuration.metadata.resourceVersion },
      webhooks: webhooks.map((webhook) => {
        const present = bundlesOf({ webhooks: [webhook] });
        const known = new Set(readTold(...present).map(({ certificate }) => certificate));
        const added = readTold(own).filter(({ certificate }) => !known.has(certificate));
        const bundle = joinBundles(...present, ...added.map(({ certificate }) => certificate));
        return { name: webhook.name, clientConfig: { caBundle: caBundleOf(bundle) } };
      }),
    };
    try {
      await client.apply(kind, applied, { fieldManager: caBundleFieldManager, force: true, signal });
    } catch (error) {
      if (isNotFound(error)) return {};
      if (isConflict(error)) return { requeueAfterMs: conflictPauseMs };
      throw error;
    }
    logger.info('The CA of this replica was added to caBundle', { kind: kind.kind });
    return {};
  }
}
