import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { CertificateSource, ServingCertificate } from '../runtime/webhook/certificates.ts';

/**
 * TLS for a gRPC server whose certificate changes while it runs: connections that are there stay, those that come are shown the new one.
 * Clients show none; who they are is told by their token.
 */
export class TlsCredentials extends ServerCredentials {
  /** Throws if the source has no certificate yet: connections would be dropped until it has. */
  constructor(certificates: CertificateSource) {
    if (!certificates.current) throw new Error('there is no certificate to serve xDS with yet');
    super({ requestCert: false }, contextOf(certificates.current));
    certificates.onChange((certificate) => this.updateSecureContextOptions(contextOf(certificate)));
  }

  /** gRPC asks before it shares a port. */
  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ certificate, key }: ServingCertificate): SecureContextOptions {
  return { cert: certificate, key, minVersion: 'TLSv1.2' };
}
