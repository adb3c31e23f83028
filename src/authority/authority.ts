import type { CertificateSource } from '../runtime/webhook/certificates.ts';

/** What the rest of the control plane needs of whoever vouches for it. */
export interface Authority {
  /** What servers show. */
  readonly certificates: CertificateSource;
  /** Whom to trust, in PEM, for clients of those servers. */
  readonly trust: TrustSource;
}

/** A trust bundle that changes under its reader. */
export interface TrustSource {
  /** In PEM; undefined as long as there is none. */
  readonly current: string | undefined;
  /** Calls back with each later one; the returned function ends that. */
  onChange(listener: (bundle: string) => void): () => void;
}

/** A trust bundle that its owner replaces. */
export class TrustValue implements TrustSource {
  readonly #listeners = new Set<(bundle: string) => void>();
  #current: string | undefined;

  get current(): string | undefined {
    return this.#current;
  }

  /** Without effect if it is the same. */
  set(bundle: string): void {
    if (bundle === this.#current) return;
    this.#current = bundle;
    for (const listener of this.#listeners) listener(bundle);
  }

  onChange(listener: (bundle: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** Resolves when there is a certificate to show, or the signal has aborted. */
export function waitForCertificate(certificates: CertificateSource, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (certificates.current || signal.aborted) return resolve();
    const end = () => {
      stop();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const stop = certificates.onChange(end);
    signal.addEventListener('abort', end, { once: true });
  });
}
