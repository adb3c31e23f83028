import Type from 'typebox';
import type { Place } from './finding.ts';
import { celRules, record, stringEnum } from './schema-term.ts';
import { shown } from './structure.ts';

const tlsVersions = ['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'] as const;

const certificateSchema = record({
  serverCertificate: Type.Optional(Type.String({ description: 'Path of the certificate. Required for SIMPLE and MUTUAL.' })),
  privateKey: Type.Optional(Type.String({ description: 'Path of the private key. Required for SIMPLE and MUTUAL.' })),
  caCertificates: Type.Optional(Type.String({ description: 'Path of the authorities that clients are verified with.' })),
});

/** Istio's `ServerTLSSettings`. */
export const serverTlsSchema = record(
  {
    httpsRedirect: Type.Optional(
      Type.Boolean({ description: 'Answers plain HTTP with a redirect to HTTPS. For gateways only.' }),
    ),
    mode: Type.Optional(
      stringEnum(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'], {
        description: 'How TLS ends here: SIMPLE presents a certificate, MUTUAL also demands one. Defaults to PASSTHROUGH.',
      }),
    ),
    serverCertificate: Type.Optional(Type.String({ description: 'Path of the certificate. Required for SIMPLE and MUTUAL.' })),
    privateKey: Type.Optional(Type.String({ description: 'Path of the private key. Required for SIMPLE and MUTUAL.' })),
    caCertificates: Type.Optional(
      Type.String({ description: 'Path of the authorities that clients are verified with. Required for MUTUAL.' }),
    ),
    caCrl: Type.Optional(Type.String({ description: 'Path of the list of revoked client certificates.' })),
    credentialName: Type.Optional(Type.String({ description: 'Secret that holds certificate and key. For gateways only.' })),
    credentialNames: Type.Optional(
      Type.Array(Type.String(), {
        minItems: 1,
        maxItems: 2,
        description: 'Secrets that hold certificates of several key types. For gateways only.',
      }),
    ),
    caCertCredentialName: Type.Optional(Type.String({ description: 'Secret or ConfigMap that holds the authorities.' })),
    tlsCertificates: Type.Optional(
      Type.Array(certificateSchema, {
        minItems: 1,
        maxItems: 2,
        description: 'Certificates of several key types. For gateways only.',
      }),
    ),
    subjectAltNames: Type.Optional(
      Type.Array(Type.String(), { description: "Names of which a client's certificate must carry one." }),
    ),
    verifyCertificateSpki: Type.Optional(
      Type.Array(Type.String(), { description: 'Base64 SHA-256 hashes of the public keys that clients may have.' }),
    ),
    verifyCertificateHash: Type.Optional(
      Type.Array(Type.String(), { description: 'Hex SHA-256 hashes of the certificates that clients may have.' }),
    ),
    minProtocolVersion: Type.Optional(stringEnum(tlsVersions, { description: 'Oldest TLS version accepted. Defaults to 1.2.' })),
    maxProtocolVersion: Type.Optional(
      stringEnum(tlsVersions, { description: "Newest TLS version accepted. Defaults to Envoy's newest." }),
    ),
    cipherSuites: Type.Optional(
      Type.Array(Type.String(), { description: "Cipher suites by their OpenSSL names. Defaults to Envoy's list." }),
    ),
    insecureSkipVerify: Type.Optional(
      Type.Unsafe<boolean | null>({
        type: 'boolean',
        nullable: true,
        description: 'Lets a connection pass although its client certificate failed verification.',
      }),
    ),
  },
  {
    description: 'How TLS is terminated.',
    crd: celRules(
      {
        rule: '(has(self.tlsCertificates) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1',
        message: 'only one of credentialNames or tlsCertificates can be set',
      },
      {
        rule: '(has(self.credentialName) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1',
        message: 'only one of credentialName or credentialNames can be set',
      },
      {
        rule: '(has(self.credentialName) ? 1 : 0) + (has(self.tlsCertificates) ? 1 : 0) <= 1',
        message: 'only one of credentialName or tlsCertificates can be set',
      },
    ),
  },
);

/** How TLS is terminated; `mode` absent is PASSTHROUGH, `minProtocolVersion` absent is TLS 1.2. */
export type ServerTlsSettings = Type.Static<typeof serverTlsSchema>;

// Cipher suites that Envoy's TLS library knows, PSK left out (istio/istio pkg/config/security).
const cipherSuites = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

/** Whether Envoy knows a cipher suite. Expressions such as -ALL or [a|b] are left to it, as Istio does. */
export function isCipherSuite(cipher: string): boolean {
  const isName = /^[A-Za-z0-9]/.test(cipher) && cipher !== 'ALL';
  return !isName || cipherSuites.has(cipher);
}

const certificateFields = [
  'serverCertificate',
  'privateKey',
  'caCertificates',
  'tlsCertificates',
  'credentialName',
  'credentialNames',
] as const;

/** Istio's `validateTLSOptions`: which certificate fields each mode needs, allows and ignores. */
export function checkServerTls(tls: ServerTlsSettings, place: Place): void {
  const mode = tls.mode ?? 'PASSTHROUGH';
  checkCiphers(tls, place);
  if (mode === 'ISTIO_MUTUAL') {
    for (const name of certificateFields) {
      if (isSet(tls[name]))
        place.at(name).error("is not allowed while mode is ISTIO_MUTUAL, which uses the workload's own certificate");
    }
    return;
  }
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    for (const name of [...certificateFields, 'caCrl'] as const) {
      if (isSet(tls[name])) place.at(name).warning(`has no effect while mode is ${mode}, which does not terminate TLS`);
    }
  }
  const sources = [tls.serverCertificate && tls.privateKey, tls.credentialName, tls.credentialNames, tls.tlsCertificates].filter(
    isSet,
  );
  if (sources.length > 1) {
    place.error('only one of serverCertificate with privateKey, credentialName, credentialNames and tlsCertificates may be set');
  }
  if (mode === 'SIMPLE' || mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL') checkCertificates(tls, mode, place);
}

function checkCertificates(tls: ServerTlsSettings, mode: string, place: Place): void {
  if (isSet(tls.caCrl) && isSet(tls.credentialName))
    place.at('caCrl').error('is not allowed with credentialName: the list goes into that secret');
  if (isSet(tls.caCrl) && mode === 'SIMPLE')
    place.at('caCrl').error('is not allowed while mode is SIMPLE, which does not verify clients');
  if (isSet(tls.credentialName) || isSet(tls.credentialNames)) return;
  if (mode !== 'SIMPLE' && !isSet(tls.caCertificates)) place.at('caCertificates').error(`is required while mode is ${mode}`);
  const several = tls.tlsCertificates ?? [];
  const certificates = several.length > 0 ? several : [tls];
  for (const [index, certificate] of certificates.entries()) {
    const at = several.length > 0 ? place.at('tlsCertificates', index) : place;
    for (const name of ['serverCertificate', 'privateKey'] as const) {
      if (!isSet(certificate[name])) at.at(name).error(`is required while mode is ${mode}`);
    }
  }
}

function checkCiphers(tls: ServerTlsSettings, place: Place): void {
  const oldest = tls.minProtocolVersion;
  if ((oldest === 'TLSV1_0' || oldest === 'TLSV1_1') && !isSet(tls.cipherSuites)) {
    place
      .at('minProtocolVersion')
      .warning(`${oldest} needs cipherSuites that it can use; those used by default are for newer versions`);
  }
  const seen = new Set<string>();
  for (const [index, cipher] of (tls.cipherSuites ?? []).entries()) {
    const at = place.at('cipherSuites', index);
    if (!isCipherSuite(cipher)) at.warning(`${shown(cipher)} is not a cipher suite that Envoy knows; it is ignored`);
    else if (seen.has(cipher)) at.warning(`${shown(cipher)} is listed twice`);
    seen.add(cipher);
  }
}

function isSet(value: string | readonly unknown[] | undefined): boolean {
  return value !== undefined && value.length > 0;
}
