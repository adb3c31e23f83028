import { isCipherSuite, type ServerTlsSettings } from '../../api/server-tls.ts';
import type { ServerTls, TlsVersion } from '../../mesh/server-tls.ts';
import type { DeepReadonly } from '../../runtime/object.ts';

/** How an ingress listener ends TLS; undefined where it does not: PASSTHROUGH, which is what absence of a mode means. */
export function compileServerTls(tls: DeepReadonly<ServerTlsSettings>): ServerTls | undefined {
  const { mode = 'PASSTHROUGH', serverCertificate = '', privateKey = '', caCertificates = '', caCrl } = tls;
  const minVersion = versionOf(tls.minProtocolVersion);
  const maxVersion = versionOf(tls.maxProtocolVersion);
  switch (mode) {
    case 'SIMPLE':
    case 'MUTUAL':
    case 'OPTIONAL_MUTUAL':
      return {
        serverCertificate,
        privateKey,
        ...(mode === 'SIMPLE'
          ? {}
          : {
              clients: {
                areRequired: mode === 'MUTUAL',
                caCertificates,
                ...(caCrl ? { caCrl } : {}),
                spkiHashes: tls.verifyCertificateSpki ?? [],
                certificateHashes: tls.verifyCertificateHash ?? [],
                acceptsUntrusted: tls.insecureSkipVerify === true,
              },
            }),
        ...(minVersion ? { minVersion } : {}),
        ...(maxVersion ? { maxVersion } : {}),
        // Istio leaves out what Envoy does not know rather than have it refuse the listener.
        cipherSuites: [...new Set((tls.cipherSuites ?? []).filter(isCipherSuite))],
      };
    default:
      return undefined;
  }
}

function versionOf(version: ServerTlsSettings['minProtocolVersion']): TlsVersion | undefined {
  return version === 'TLS_AUTO' ? undefined : version;
}
