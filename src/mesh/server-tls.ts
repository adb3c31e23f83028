/** Versions of TLS, by the names that Istio and Envoy share. */
export type TlsVersion = 'TLSV1_0' | 'TLSV1_1' | 'TLSV1_2' | 'TLSV1_3';

/** TLS that ends at the proxy, compiled from a Sidecar's `ingress[].tls`. Paths are of files that the proxy sees. Immutable. */
export interface ServerTls {
  readonly serverCertificate: string;
  readonly privateKey: string;
  /** Set where clients are asked for a certificate (MUTUAL: they must show one; OPTIONAL_MUTUAL: they may). */
  readonly clients?: {
    readonly areRequired: boolean;
    /** Path of the authorities that vouch for them. */
    readonly caCertificates: string;
    /** Path of the list of revoked certificates. */
    readonly caCrl?: string;
    /** Base64 SHA-256 hashes of the public keys that they may have; empty: any. */
    readonly spkiHashes: readonly string[];
    /** Hex SHA-256 hashes of the certificates that they may have; empty: any. */
    readonly certificateHashes: readonly string[];
    /** A certificate that failed verification is let pass. */
    readonly acceptsUntrusted: boolean;
  };
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Empty: Envoy's own list. */
  readonly cipherSuites: readonly string[];
}
