import type { ObjectStore } from '../runtime/cache/object-store.ts';
import { isNotFound } from '../runtime/client/api-error.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { DeepReadonly, KubernetesObject } from '../runtime/object.ts';
import type { ReconcileContext, Reconciler, Request, Result } from '../runtime/reconciler.ts';
import type { ResourceKind } from '../runtime/resource-kind.ts';
import type { ServingCertificate } from '../runtime/webhook/certificates.ts';
import type { TrustSource } from './authority.ts';
import { isVouchedFor } from './succession.ts';

/** An admissionregistration.k8s.io/v1 MutatingWebhookConfiguration or ValidatingWebhookConfiguration, as far as it is read here. */
export interface WebhookConfiguration extends KubernetesObject {
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig?: { readonly caBundle?: string } }[];
}

type Webhook = NonNullable<WebhookConfiguration['webhooks']>[number];

const webhookConfiguration = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  servedVersions: ['v1'],
  scope: 'Cluster',
} as const;

/** Kubernetes' MutatingWebhookConfiguration. */
export const mutatingWebhookKind: ResourceKind<WebhookConfiguration> = {
  ...webhookConfiguration,
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
};

/** Kubernetes' ValidatingWebhookConfiguration. */
export const validatingWebhookKind: ResourceKind<WebhookConfiguration> = {
  ...webhookConfiguration,
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
};

/** Whose field `caBundle` is, in `metadata.managedFields`: nothing else is ever applied under this name. */
export const caBundleFieldManager = 'weft-ca-bundle';

export interface CaBundleOptions {
  readonly kind: ResourceKind<WebhookConfiguration>;
  readonly store: ObjectStore<WebhookConfiguration>;
  readonly client: Pick<Client, 'apply'>;
  readonly trust: TrustSource;
  readonly clock: Clock;
}

/** Restored at most this often, in milliseconds: another that keeps removing it must not make a loop of two programs. */
const restoreEveryMs = 1000;

/**
 * Keeps `clientConfig.caBundle` of every webhook of a configuration equal to the trust bundle: server-side apply of that field and no
 * other. A configuration that is not there is never made.
 */
export class CaBundle implements Reconciler {
  readonly #options: CaBundleOptions;
  readonly #appliedAtMs = new Map<string, number>();

  constructor(options: CaBundleOptions) {
    this.#options = options;
  }

  /** `request.name`: the configuration. */
  async reconcile({ name }: Request, { logger, signal }: ReconcileContext): Promise<Result> {
    const { kind, store, client, trust, clock } = this.#options;
    const webhooks = store.get(name)?.webhooks ?? [];
    if (trust.current === undefined) return {};
    const caBundle = caBundleOf(trust.current);
    const differing = withoutBundle(webhooks, trust.current);
    if (differing.length === 0) return {};
    const sinceMs = clock.monotonicMs() - (this.#appliedAtMs.get(name) ?? Number.NEGATIVE_INFINITY);
    if (sinceMs < restoreEveryMs) return { requeueAfterMs: restoreEveryMs - sinceMs };
    const applied = {
      metadata: { name },
      webhooks: webhooks.map((webhook) => ({ name: webhook.name, clientConfig: { caBundle } })),
    };
    try {
      await client.apply(kind, applied, { fieldManager: caBundleFieldManager, force: true, signal });
    } catch (error) {
      if (isNotFound(error)) return {};
      throw error;
    }
    this.#appliedAtMs.set(name, clock.monotonicMs());
    logger.info('caBundle was applied', { kind: kind.kind, webhooks: differing.map((webhook) => webhook.name) });
    return {};
  }
}

/** Those webhooks whose server the API server would not believe. */
export function withoutBundle(webhooks: NonNullable<WebhookConfiguration['webhooks']>, bundle: string) {
  const caBundle = caBundleOf(bundle);
  return webhooks.filter(({ clientConfig }) => clientConfig?.caBundle !== caBundle);
}

/** Whether the API server believes a webhook that shows this certificate. */
export function believes(webhook: DeepReadonly<Webhook>, shown: ServingCertificate): boolean {
  return bundlesOf({ webhooks: [webhook] }).some((bundle) => isVouchedFor(shown, bundle));
}

/** The bundles in PEM that the API server goes by. */
export function bundlesOf(configuration: DeepReadonly<Pick<WebhookConfiguration, 'webhooks'>> | undefined): string[] {
  const bundles = (configuration?.webhooks ?? []).flatMap(({ clientConfig }) => clientConfig?.caBundle ?? []);
  return [...new Set(bundles)].map((bundle) => Buffer.from(bundle, 'base64').toString('utf8'));
}

/** A bundle in PEM as the field `caBundle` has it. */
export function caBundleOf(bundle: string): string {
  return Buffer.from(bundle).toString('base64');
}
