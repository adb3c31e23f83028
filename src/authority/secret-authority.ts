import type { ObjectStore } from '../runtime/cache/object-store.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import type { ObjectName } from '../runtime/object.ts';
import { CertificateValue } from '../runtime/webhook/certificates.ts';
import { type Authority, TrustValue } from './authority.ts';
import { readSecret, type Secret } from './authority-secret.ts';
import { type AuthorityState, trustBundle } from './authority-state.ts';
import { validityOf } from './certificate.ts';

export interface SecretAuthorityOptions {
  /** Where a source keeps the Secret up to date. */
  readonly store: ObjectStore<Secret>;
  /** `namespace/name` of the Secret. */
  readonly secret: ObjectName;
  readonly logger?: Logger;
}

/**
 * The authority that replicas share in a Secret, as this replica follows it. A version that cannot be used is logged and the last good
 * one stays; so does it when the Secret is deleted.
 */
export class SecretAuthority implements Authority {
  readonly certificates = new CertificateValue();
  readonly trust = new TrustValue();
  readonly #options: SecretAuthorityOptions;
  readonly #unsubscribe: () => void;
  #state: AuthorityState | undefined;

  constructor(options: SecretAuthorityOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.subscribe((event) => {
      if (event.type !== 'delete') this.#take();
    });
  }

  /** The last usable state; undefined before the first. */
  get state(): AuthorityState | undefined {
    return this.#state;
  }

  /** Follows the Secret no more. */
  close(): void {
    this.#unsubscribe();
  }

  #take(): void {
    const { store, secret, logger = silentLogger } = this.#options;
    const object = store.get(secret);
    if (!object) return;
    const { state, problems } = readSecret(object);
    for (const problem of problems) logger.error('Part of the authority is unusable', { secret, problem });
    const { ca, serving } = state;
    if (!ca || !serving) return;
    this.#state = { ...state, ca, serving };
    this.trust.set(trustBundle(this.#state));
    const before = this.certificates.current;
    this.certificates.set(serving);
    if (this.certificates.current === before) return;
    const expires = new Date(validityOf(serving.certificate).expiresAtMs).toISOString();
    logger.info('Serving a new certificate', { secret, expires });
  }
}
