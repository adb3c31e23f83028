import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** What a TLS server shows, in PEM. */
export interface ServingCertificate {
  /** With the intermediate certificates after it. */
  readonly certificate: string;
  readonly key: string;
}

/** Where a server gets its certificate from, and hears of new ones. */
export interface CertificateSource {
  /** Undefined as long as there is none. */
  readonly current: ServingCertificate | undefined;
  /** Calls back with each later one; the returned function ends that. */
  onChange(listener: (certificate: ServingCertificate) => void): () => void;
}

/** A certificate that its owner replaces, one that is issued in the process for instance. */
export class CertificateValue implements CertificateSource {
  readonly #listeners = new Set<(certificate: ServingCertificate) => void>();
  #current: ServingCertificate | undefined;

  /** Default: none yet. */
  constructor(certificate?: ServingCertificate) {
    if (certificate) this.set(certificate);
  }

  get current(): ServingCertificate | undefined {
    return this.#current;
  }

  /** New connections see it from now on. Throws, and changes nothing, if it is unreadable or key and certificate do not belong together. */
  set(certificate: ServingCertificate): void {
    if (certificate.certificate === this.#current?.certificate && certificate.key === this.#current.key) return;
    // Node takes empty text for none, and checks nothing then: that of a file caught while it is written anew.
    new X509Certificate(certificate.certificate);
    createPrivateKey(certificate.key);
    createSecureContext({ cert: certificate.certificate, key: certificate.key });
    this.#current = certificate;
    for (const listener of this.#listeners) listener(certificate);
  }

  onChange(listener: (certificate: ServingCertificate) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
